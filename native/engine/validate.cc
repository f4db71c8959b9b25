#include "validate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "error.h"

namespace swirl {
namespace {

// The smallest normal float32 number; 1 divided by it is finite.
constexpr double kLeastFloat = std::numeric_limits<float>::min();
constexpr double kLargestFloat = std::numeric_limits<float>::max();
// Below this temperature the softmax of ordinary logits equals greedy sampling, and soon it is not finite.
constexpr float kLeastTemperature = 1e-6f;

std::string shown(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", x);
  return text;
}

std::string element(const std::string& field, size_t i) { return field + "[" + std::to_string(i) + "]"; }

[[noreturn]] void bad_config(const char* field, const std::string& why) {
  throw Error("CHECKPOINT", "config", std::string(field) + " " + why,
              "check the model's config.json; see the supported families in the README");
}

void positive(const char* field, int64_t value, int64_t most) {
  if (value < 1 || value > most) {
    bad_config(field, "is " + std::to_string(value) + ", expected 1 to " + std::to_string(most));
  }
}

struct Argument {
  const char* op;
  std::string field;

  [[noreturn]] void refuse(const std::string& value, const std::string& expected,
                           const std::string& remedy) const {
    throw argument_error("INPUT", op, field, value, expected, remedy);
  }
  Argument operator[](const char* key) const { return {op, field.empty() ? key : field + "." + key}; }
};

void check_tokens(const Argument& at, const std::vector<int32_t>& tokens, int32_t vocab) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < vocab) continue;
    at.refuse("an array of " + std::to_string(tokens.size()) + " elements",
              "token ids from 0 to " + std::to_string(vocab - 1) + ", but element " + std::to_string(i) +
                  " is " + std::to_string(tokens[i]),
              "use the tokenizer that belongs to this model");
  }
}

void check_sequence(const ModelConfig& c, const Sequence& s, const Argument& at) {
  const auto length = static_cast<int64_t>(s.tokens.size());
  const std::string shape = "an array of " + std::to_string(length) + " elements";
  if (length == 0) at["tokens"].refuse(shape, "at least one token", "leave out empty sequences");
  check_tokens(at["tokens"], s.tokens, c.vocab);
  if (length > c.max_positions) {
    at["tokens"].refuse(shape, "at most " + std::to_string(c.max_positions) + " tokens, the model's context",
                        "shorten the trajectory, strip earlier thoughts from its states, or filter it out");
  }
  const std::string start = std::to_string(s.action_start);
  if (s.action_start < 1) {
    at["actionStart"].refuse(start, "at least 1: the first token has no context to be scored in",
                             "begin the state with a token");
  }
  if (s.action_start >= length) {
    at["actionStart"].refuse(
        start, "less than the sequence's " + std::to_string(length) + " tokens: this action is empty",
        "leave out sub-trajectories whose action has no tokens");
  }
}

// One per scored token, or none. If good(x) is false, the error says that x must be `wanted`.
template <class T, class Good>
void check_per_token(const Argument& at, const std::vector<T>& values, size_t scored, const Good& good,
                     const char* wanted, const char* remedy) {
  if (values.empty()) return;
  const std::string shape = "an array of " + std::to_string(values.size()) + " elements";
  if (values.size() != scored) {
    at.refuse(shape, std::to_string(scored) + " elements, one per token from actionStart on",
              "leave out the tokens before actionStart, and none after");
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (good(values[i])) continue;
    at.refuse(
        shape,
        std::string(wanted) + " throughout, but element " + std::to_string(i) + " is " + shown(values[i]),
        remedy);
  }
}

void need(const Argument& at, bool present, const char* what, const char* remedy) {
  if (!present) at.refuse("missing", std::string("present: ") + what, remedy);
}

void check_train_sequence(const TrainSequence& s, const LossOptions& loss, const Argument& at) {
  const auto finite = [](double x) { return std::isfinite(x); };
  const auto logprob = [](double x) { return x <= 0 && std::isfinite(x); };
  const size_t scored = s.scored();
  if (!std::isfinite(s.advantage)) {
    at["advantage"].refuse(shown(s.advantage), "a finite number", "check the rewards it was made of");
  }
  check_per_token(at["advantage"], s.advantages, scored, finite, "finite",
                  "check the rewards it was made of");
  check_per_token(
      at["weights"], s.weights, scored, [&](double x) { return x >= 0 && std::isfinite(x); },
      "finite and at least 0", "a weight of 0 masks a token; put the sign into the advantage");
  const char* again = "record the log-probs again: a sampled token's is finite and at most 0";
  check_per_token(at["behaviorLogprobs"], s.behavior_logprobs, scored, logprob, "finite and at most 0",
                  again);
  check_per_token(at["referenceLogprobs"], s.reference_logprobs, scored, logprob, "finite and at most 0",
                  again);
  check_per_token(at["expectedLogprobs"], s.expected_logprobs, scored, logprob, "finite and at most 0",
                  again);
  check_per_token(at["derivative"], s.derivative, scored, finite, "finite",
                  "look for a division by zero or an overflow in the loss");
  if (!std::isfinite(s.value)) {
    at["value"].refuse(shown(s.value), "a finite number", "look for a division by zero in the loss");
  }
  if (loss.loss == Loss::kPpoClip) {
    need(at["behaviorLogprobs"], !s.behavior_logprobs.empty(),
         "loss \"ppo-clip\" compares with the policy that sampled",
         "pass the log-probs recorded with the action, or use loss \"reinforce\"");
  }
  if (loss.loss == Loss::kDerivative) {
    need(at["derivative"], !s.derivative.empty(), "loss \"derivative\" is made of it",
         "pass d loss / d log-prob of each scored token");
  }
  if (loss.kl_weight != 0) {
    need(at["referenceLogprobs"], !s.reference_logprobs.empty(),
         "with a klWeight there is a reference to stay close to",
         "score the batch with the reference policy first, or set klWeight to 0");
  }
}

void check_loss(const LossOptions& o, const char* op) {
  const Argument at{op, "loss"};
  const auto number = [&](const char* key, double x, double least, double most) {
    if (x >= least && x <= most) return;
    at[key].refuse(shown(x), "a number from " + shown(least) + " to " + shown(most),
                   "see docs/configuration.md");
  };
  number("clipLow", o.clip_low, 0, 1);
  number("clipHigh", o.clip_high, 0, kLargestFloat);
  number("klWeight", o.kl_weight, 0, kLargestFloat);
  number("entropyWeight", o.entropy_weight, 0, kLargestFloat);
  validate_temperature(o.temperature, "loss.temperature", op);
  if (o.aggregation == Aggregation::kFixedLength) number("fixedLength", o.fixed_length, 1, kLargestFloat);
  // 0 stands for the batch's own counts.
  if (o.total_sequences != 0) number("denominators.sequences", o.total_sequences, kLeastFloat, kLargestFloat);
  if (o.total_weight != 0) number("denominators.tokens", o.total_weight, kLeastFloat, kLargestFloat);
}

void check_rates(const Argument& at, double lr, double weight_decay, double beta1) {
  if (!(lr == 0 || (lr >= kLeastFloat && lr / (1 - beta1) <= kLargestFloat))) {
    at["lr"].refuse(shown(lr),
                    "0 or at least " + shown(kLeastFloat) + ", and lr / (1 - beta1) at most " +
                        shown(kLargestFloat) + ", float32's range",
                    "fine-tuning rates are around 1e-6 to 1e-4");
  }
  if (!(weight_decay >= 0 && lr * weight_decay < 1)) {
    at["weightDecay"].refuse(shown(weight_decay),
                             "at least 0 and, times lr, below 1: a step multiplies weights by "
                             "1 - lr · weightDecay",
                             "usual values are 0 to 0.1");
  }
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
  if (c.sliding_layers.size() != size_t(c.layers))
    bad_config("slidingLayers", "must have one entry per layer");
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
  const Argument all{op, "sequences"};
  if (sequences.empty()) all.refuse("an array of 0 elements", "at least one sequence", "");
  for (size_t i = 0; i < sequences.size(); ++i) check_sequence(c, sequences[i], {op, element(all.field, i)});
}

void validate(const ModelConfig& c, const std::vector<TrainSequence>& batch, const LossOptions& loss,
              const char* op) {
  const Argument all{op, "batch"};
  if (batch.empty()) all.refuse("an array of 0 elements", "at least one sequence", "");
  check_loss(loss, op);
  for (size_t i = 0; i < batch.size(); ++i) {
    const Argument at{op, element(all.field, i)};
    check_sequence(c, batch[i], at);
    check_train_sequence(batch[i], loss, at);
  }
}

void validate(const OptimizerOptions& o, size_t parameters, const char* op) {
  const Argument at{op, "optimizer"};
  for (const auto& [key, beta] : {std::pair{"beta1", o.beta1}, {"beta2", o.beta2}}) {
    if (!(beta >= 0 && beta < 1)) at[key].refuse(shown(beta), "a number from 0 to less than 1", "");
  }
  if (!(o.eps >= kLeastFloat && o.eps <= kLargestFloat)) {
    at["eps"].refuse(shown(o.eps),
                     "from " + shown(kLeastFloat) + " to " + shown(kLargestFloat) +
                         ", above 0 in float32: without it a gradient of 0 makes NaN",
                     "torch's default is 1e-8");
  }
  if (!(o.max_grad_norm == 0 || (o.max_grad_norm >= kLeastFloat && std::isfinite(o.max_grad_norm)))) {
    at["maxGradNorm"].refuse(shown(o.max_grad_norm), "0 (no clipping) or at least " + shown(kLeastFloat),
                             "the default is 1");
  }
  check_rates(at, o.lr, o.weight_decay, o.beta1);
  for (size_t i = 0; i < o.groups.size(); ++i) {
    check_rates({op, element("optimizer.groups", i)}, o.groups[i].lr, o.groups[i].weight_decay, o.beta1);
  }
  if (!o.group_of.empty() && o.group_of.size() != parameters) {
    at["groupOf"].refuse("an array of " + std::to_string(o.group_of.size()) + " elements",
                         "one element per parameter, " + std::to_string(parameters), "");
  }
  for (const int32_t group : o.group_of) {
    if (group < 0 || size_t(group) > o.groups.size()) {
      at["groupOf"].refuse("an array that holds " + std::to_string(group),
                           "numbers from 0 to " + std::to_string(o.groups.size()), "");
    }
  }
}

void validate(const ModelConfig& c, const std::vector<Prompt>& prompts, const GenerateOptions& o) {
  constexpr auto op = "generate";
  const Argument all{op, "prompts"}, options{op, "options"};
  if (prompts.empty()) all.refuse("an array of 0 elements", "at least one prompt", "");
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Argument at{op, element(all.field, i)};
    const auto length = static_cast<int64_t>(prompts[i].tokens.size());
    const std::string shape = "an array of " + std::to_string(length) + " elements";
    if (length == 0) at["tokens"].refuse(shape, "at least one token", "begin the prompt with a token");
    check_tokens(at["tokens"], prompts[i].tokens, c.vocab);
    if (length >= c.max_positions) {
      at["tokens"].refuse(shape,
                          "fewer than " + std::to_string(c.max_positions) + " tokens, the model's context",
                          "shorten the prompt, or end the trajectory before its context is full");
    }
    if (prompts[i].max_new_tokens < 1) {
      at["maxNewTokens"].refuse(std::to_string(prompts[i].max_new_tokens), "at least 1", "");
    }
  }
  if (o.sampling.temperature != 0) {
    validate_temperature(o.sampling.temperature, "options.temperature", op);
  }
  if (!(o.sampling.top_p > 0 && o.sampling.top_p <= 1)) {
    options["topP"].refuse(shown(o.sampling.top_p), "greater than 0 and at most 1", "1 turns it off");
  }
  check_tokens(options["stopTokens"], o.stop_tokens, c.vocab);
}

void validate_temperature(float temperature, const char* field, const char* op) {
  if (temperature >= kLeastTemperature && std::isfinite(temperature)) return;
  Argument{op, field}.refuse(shown(temperature), "at least " + shown(kLeastTemperature) + ", and finite",
                             "sampling takes 0 for greedy; log-probs at temperature 0 are not defined");
}

int64_t first_not_finite(const uint8_t* bytes, size_t count_bytes, swirl_dtype dtype) {
  // Whole blocks first, without a branch per element.
  constexpr size_t kBlock = 4096;
  const auto search = [&](auto word, auto bad) -> int64_t {
    using Word = decltype(word);
    const size_t count = count_bytes / sizeof(Word);
    Word block[kBlock];
    for (size_t begin = 0; begin < count; begin += kBlock) {
      const size_t n = std::min(kBlock, count - begin);
      std::memcpy(block, bytes + begin * sizeof(Word), n * sizeof(Word));
      bool any = false;
      for (size_t i = 0; i < n; ++i) any |= bad(block[i]);
      for (size_t i = 0; any && i < n; ++i) {
        if (bad(block[i])) return static_cast<int64_t>(begin + i);
      }
    }
    return -1;
  };
  if (dtype == SWIRL_BFLOAT16) return search(uint16_t{}, [](uint16_t x) { return (x & 0x7f80) == 0x7f80; });
  // 0x1.ffp127 and above: bfloat16 rounds it to infinity.
  return search(uint32_t{}, [](uint32_t x) { return (x & 0x7fffffffu) >= 0x7f7f8000u; });
}

}  // namespace swirl
