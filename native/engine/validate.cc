#include <cmath>

#include "engine.h"
#include "error.h"

namespace swirl {
namespace {

[[noreturn]] void bad_config(const char* field, const std::string& why) {
  throw Error("CHECKPOINT", "config", std::string(field) + " " + why,
              "check the model's config.json; see the supported families in the README");
}

void positive(const char* field, int64_t value, int64_t most) {
  if (value < 1 || value > most) {
    bad_config(field, "is " + std::to_string(value) + ", expected 1 to " + std::to_string(most));
  }
}

[[noreturn]] void bad_sequence(const char* op, size_t index, const std::string& what,
                               const std::string& remedy) {
  throw Error("INPUT", op, "sequence " + std::to_string(index) + ": " + what, remedy);
}

}  // namespace

void validate(const ModelConfig& c) {
  positive("layers", c.layers, 1024);
  positive("width", c.width, 1 << 16);
  positive("heads", c.heads, 1024);
  positive("kvHeads", c.kv_heads, c.heads);
  positive("headDim", c.head_dim, 256);
  positive("intermediate", c.intermediate, 1 << 18);
  positive("vocab", c.vocab, 1 << 20);
  positive("maxPositions", c.max_positions, 1 << 24);
  if (c.heads % c.kv_heads) bad_config("kvHeads", "must divide heads");
  if (c.head_dim % 2) bad_config("headDim", "must be even");
  if (c.sliding_layers.size() != size_t(c.layers)) bad_config("slidingLayers", "must have one entry a layer");
  if (c.rope_inverse_frequencies.size() != size_t(c.head_dim) / 2 ||
      c.rope_inverse_frequencies_sliding.size() != size_t(c.head_dim) / 2) {
    bad_config("ropeInverseFrequencies", "must have headDim / 2 entries");
  }
  if (c.sliding_window < 0) bad_config("slidingWindow", "is negative");
  for (const float x : {c.norm_eps, c.embed_scale, c.attention_scale, c.attention_softcap, c.logit_softcap,
                        c.rope_attention_factor}) {
    if (!std::isfinite(x) || x < 0) bad_config("a scale, eps or softcap", "is not a finite number >= 0");
  }
}

void validate(const ModelConfig& c, const std::vector<Sequence>& sequences, const char* op) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    const Sequence& s = sequences[i];
    const auto length = static_cast<int64_t>(s.tokens.size());
    if (length > c.max_positions) {
      bad_sequence(
          op, i,
          "has " + std::to_string(length) + " tokens, the context holds " + std::to_string(c.max_positions),
          "shorten it, or lower the number of steps or maxNewTokens that made it");
    }
    if (s.action_start < 1) {
      bad_sequence(op, i,
                   "actionStart is " + std::to_string(s.action_start) + ", but token 0 has nothing before it",
                   "actionStart is the index of the first action token, at least 1");
    }
    if (s.action_start >= length) {
      bad_sequence(op, i,
                   "actionStart is " + std::to_string(s.action_start) + " with " + std::to_string(length) +
                       " tokens: the action is empty",
                   "actionStart must be below the number of tokens");
    }
    for (int64_t t = 0; t < length; ++t) {
      if (s.tokens[t] < 0 || s.tokens[t] >= c.vocab) {
        bad_sequence(op, i,
                     "tokens[" + std::to_string(t) + "] is " + std::to_string(s.tokens[t]) +
                         ", the vocabulary has ids 0 to " + std::to_string(c.vocab - 1),
                     "use the tokenizer that belongs to this model");
      }
    }
    if (!std::isfinite(s.advantage))
      bad_sequence(op, i, "advantage is not finite", "mask or drop the sequence");
    const size_t scored = size_t(length - s.action_start);
    const auto check_logprobs = [&](const std::vector<float>& values, const char* field) {
      if (values.empty()) return;
      if (values.size() != scored) {
        bad_sequence(op, i,
                     std::string(field) + " has " + std::to_string(values.size()) + " values for " +
                         std::to_string(scored) + " action tokens",
                     "give one log-prob per action token");
      }
      for (const float v : values) {
        if (!(v <= 0) || std::isinf(v)) {
          bad_sequence(op, i, std::string(field) + " holds " + std::to_string(v) + ", not a log-prob",
                       "log-probs are finite and at most 0");
        }
      }
    };
    check_logprobs(s.behavior_logprobs, "behaviorLogprobs");
    check_logprobs(s.reference_logprobs, "referenceLogprobs");
  }
}

}  // namespace swirl
