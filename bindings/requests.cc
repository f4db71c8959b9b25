#include "bindings/requests.h"

#include <cmath>

namespace swirl {
namespace {

constexpr double kAnyNumber = -std::numeric_limits<double>::max();
constexpr int64_t kSafeInteger = 9007199254740991;

ModelConfig read_config(const Argument& config) {
  const auto size = [&](const char* key) { return static_cast<int32_t>(config[key].integer(1)); };
  const auto real = [&](const char* key, double least) {
    return static_cast<float>(config[key].number(least));
  };
  ModelConfig c;
  c.layers = size("layers");
  c.width = size("width");
  c.heads = size("heads");
  c.kv_heads = size("kvHeads");
  c.head_dim = size("headDim");
  c.intermediate = size("intermediate");
  c.vocab = size("vocab");
  c.max_positions = size("maxPositions");
  c.norm_eps = real("normEps", 0);
  c.norm_offset = config["normOffset"].boolean();
  c.activation =
      config["activation"].choice<swirl_activation>({{"silu", SWIRL_SILU}, {"gelu_tanh", SWIRL_GELU_TANH}});
  c.qkv_bias = config["qkvBias"].boolean();
  c.output_bias = config["outputBias"].boolean();
  c.qk_norm = config["qkNorm"].boolean();
  c.post_norms = config["postNorms"].boolean();
  c.embed_scale = real("embedScale", kAnyNumber);
  c.attention_scale = real("attentionScale", kAnyNumber);
  c.attention_softcap = real("attentionSoftcap", 0);
  c.logit_softcap = real("logitSoftcap", 0);
  c.sliding_window = static_cast<int32_t>(config["slidingWindow"].integer(0));
  for (const Argument& sliding : config["slidingLayers"].elements())
    c.sliding_layers.push_back(sliding.boolean());
  c.rope_inverse_frequencies = config["ropeInverseFrequencies"].doubles();
  c.rope_inverse_frequencies_sliding = config["ropeInverseFrequenciesSliding"].doubles();
  c.rope_attention_factor = real("ropeAttentionFactor", kAnyNumber);
  c.tied_embeddings = config["tiedEmbeddings"].boolean();
  validate(c);
  return c;
}

// Log-probs of the scored tokens, or none.
std::vector<float> read_logprobs(const Argument& argument, size_t scored) {
  if (argument.absent()) return {};
  std::vector<float> logprobs = argument.floats();
  if (logprobs.size() != scored) {
    argument.refuse("a Float32Array of " + std::to_string(scored) +
                    " elements, one per token from actionStart on");
  }
  for (size_t i = 0; i < logprobs.size(); ++i) {
    if (!std::isfinite(logprobs[i])) {
      argument.refuse(
          "finite throughout, but element " + std::to_string(i) + " is " + std::to_string(logprobs[i]),
          "record the log-probs again; a token that was sampled has a finite one");
    }
  }
  return logprobs;
}

void check_tokens(const Argument& argument, const std::vector<int32_t>& tokens, const ModelConfig& config) {
  if (tokens.empty()) argument.refuse("at least one token");
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= config.vocab) {
      argument.refuse("token ids from 0 to " + std::to_string(config.vocab - 1) + ", but element " +
                          std::to_string(i) + " is " + std::to_string(tokens[i]),
                      "use the tokenizer that belongs to this checkpoint");
    }
  }
}

}  // namespace

EngineOptions read_engine_options(const Argument& options) {
  EngineOptions o;
  o.config = read_config(options["config"]);
  o.device = options["device"].text();
  o.dtype = read_dtype(options["dtype"]);
  o.threads = static_cast<int32_t>(options["threads"].integer(0, 4096));
  o.memory_budget = static_cast<uint64_t>(options["memoryBudget"].integer(0, kSafeInteger));
  o.trainable = options["trainable"].boolean();
  const Argument profile = options["profile"];
  o.profile = !profile.absent() && profile.boolean();
  return o;
}

swirl_dtype read_dtype(const Argument& argument) {
  return argument.choice<swirl_dtype>({{"float32", SWIRL_FLOAT32}, {"bfloat16", SWIRL_BFLOAT16}});
}

TensorKind read_tensor_kind(const Argument& argument) {
  return argument.choice<TensorKind>({{"weight", TensorKind::kWeight},
                                      {"gradient", TensorKind::kGradient},
                                      {"adam_m", TensorKind::kAdamM},
                                      {"adam_v", TensorKind::kAdamV}});
}

std::vector<Sequence> read_sequences(const Argument& batch, const ModelConfig& config, bool train) {
  std::vector<Sequence> sequences;
  for (const Argument& element : batch.elements()) {
    Sequence s;
    const Argument tokens = element["tokens"];
    s.tokens = tokens.int32s();
    check_tokens(tokens, s.tokens, config);
    const auto length = static_cast<int64_t>(s.tokens.size());
    if (length > config.max_positions) {
      tokens.refuse("at most " + std::to_string(config.max_positions) + " tokens, the model's context",
                    "shorten the trajectory, strip earlier thoughts from its states, or filter it out");
    }
    const Argument start = element["actionStart"];
    const int64_t action_start = start.integer(-kSafeInteger, kSafeInteger);
    if (action_start < 1) {
      start.refuse("at least 1: the first token has no context to be scored in",
                   "begin the state with a token");
    }
    if (action_start >= length) {
      start.refuse("less than the sequence's " + std::to_string(length) + " tokens: this action is empty",
                   "leave out sub-trajectories whose action has no tokens");
    }
    s.action_start = static_cast<int32_t>(action_start);
    if (train) {
      const auto scored = static_cast<size_t>(length - action_start);
      s.advantage = static_cast<float>(element["advantage"].number(kAnyNumber));
      s.behavior_logprobs = read_logprobs(element["behaviorLogprobs"], scored);
      s.reference_logprobs = read_logprobs(element["referenceLogprobs"], scored);
    }
    sequences.push_back(std::move(s));
  }
  if (sequences.empty()) batch.refuse("at least one sequence");
  return sequences;
}

LossOptions read_loss(const Argument& loss) {
  LossOptions o;
  o.loss = loss["loss"].choice<Loss>({{"reinforce", Loss::kReinforce}, {"ppo-clip", Loss::kPpoClip}});
  o.aggregation = loss["aggregation"].choice<Aggregation>({{"sequence-sum", Aggregation::kSequenceSum},
                                                           {"sequence-mean", Aggregation::kSequenceMean},
                                                           {"token-mean", Aggregation::kTokenMean}});
  o.clip_low = static_cast<float>(loss["clipLow"].number(0, 1));
  o.clip_high = static_cast<float>(loss["clipHigh"].number(0));
  o.kl_weight = static_cast<float>(loss["klWeight"].number(0));
  o.kl_estimator = loss["klEstimator"].choice<KlEstimator>(
      {{"k1", KlEstimator::kK1}, {"k2", KlEstimator::kK2}, {"k3", KlEstimator::kK3}});
  const Argument temperature = loss["temperature"];
  o.temperature = static_cast<float>(temperature.number(0));
  if (!(o.temperature > 0))
    temperature.refuse("greater than 0", "log-probs at temperature 0 are not defined");
  o.tree = loss["tree"].boolean();
  o.max_tokens_per_micro_batch = static_cast<int32_t>(loss["maxTokensPerMicroBatch"].integer(0));
  return o;
}

OptimizerOptions read_optimizer(const Argument& optimizer) {
  OptimizerOptions o;
  o.lr = optimizer["lr"].number(0);
  o.beta1 = optimizer["beta1"].number(0, 1);
  o.beta2 = optimizer["beta2"].number(0, 1);
  if (o.beta1 == 1) optimizer["beta1"].refuse("less than 1");
  if (o.beta2 == 1) optimizer["beta2"].refuse("less than 1");
  o.eps = optimizer["eps"].number(0);
  o.weight_decay = optimizer["weightDecay"].number(0);
  o.max_grad_norm = optimizer["maxGradNorm"].number(0);
  return o;
}

GenerateOptions read_generate_options(const Argument& options, const ModelConfig& config,
                                      bool has_token_bytes) {
  GenerateOptions o;
  o.n = static_cast<int32_t>(options["n"].integer(1, 65536));
  o.sampling.temperature = static_cast<float>(options["temperature"].number(0));
  o.sampling.top_k = static_cast<int32_t>(options["topK"].integer(0));
  o.sampling.top_p = static_cast<float>(options["topP"].number(0, 1));
  if (!(o.sampling.top_p > 0)) options["topP"].refuse("greater than 0", "1 turns it off");
  o.stop_tokens = options["stopTokens"].int32s();
  if (!o.stop_tokens.empty()) check_tokens(options["stopTokens"], o.stop_tokens, config);
  for (const Argument& stop : options["stopStrings"].elements()) {
    o.stop_strings.push_back(stop.text());
    if (o.stop_strings.back().empty()) stop.refuse("at least one character");
  }
  if (!o.stop_strings.empty() && !has_token_bytes) {
    options["stopStrings"].refuse("empty until setTokenBytes was called",
                                  "give the engine the tokenizer's bytes first");
  }
  return o;
}

std::vector<Prompt> read_prompts(const Argument& prompts, const ModelConfig& config) {
  std::vector<Prompt> read;
  for (const Argument& element : prompts.elements()) {
    Prompt prompt;
    const Argument tokens = element["tokens"];
    prompt.tokens = tokens.int32s();
    check_tokens(tokens, prompt.tokens, config);
    if (static_cast<int64_t>(prompt.tokens.size()) >= config.max_positions) {
      tokens.refuse("fewer than " + std::to_string(config.max_positions) + " tokens, the model's context",
                    "shorten the prompt, or end the trajectory before its context is full");
    }
    prompt.seed = element["seed"].bigint();
    prompt.max_new_tokens = static_cast<int32_t>(element["maxNewTokens"].integer(1));
    read.push_back(std::move(prompt));
  }
  if (read.empty()) prompts.refuse("at least one prompt");
  return read;
}

std::pair<std::vector<uint8_t>, std::vector<int32_t>> read_token_bytes(const Argument& bytes,
                                                                       const Argument& offsets,
                                                                       const ModelConfig& config) {
  std::pair<std::vector<uint8_t>, std::vector<int32_t>> read = {bytes.bytes(), offsets.int32s()};
  const auto& at = read.second;
  if (at.size() != static_cast<size_t>(config.vocab) + 1) {
    offsets.refuse("an Int32Array of " + std::to_string(config.vocab + 1) +
                   " elements, one more than the vocabulary");
  }
  bool ascending = at.front() == 0 && static_cast<size_t>(at.back()) == read.first.size();
  for (size_t i = 1; i < at.size(); ++i) ascending = ascending && at[i - 1] <= at[i];
  if (!ascending) offsets.refuse("ascending from 0 to the " + std::to_string(read.first.size()) + " bytes");
  return read;
}

}  // namespace swirl
