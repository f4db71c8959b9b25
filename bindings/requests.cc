#include "bindings/requests.h"

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
  return c;
}

// Of the scored tokens, or none.
std::vector<float> read_floats(const Argument& argument) {
  return argument.absent() ? std::vector<float>() : argument.floats();
}

double read_positive(const Argument& argument) {  // absent: 0
  if (argument.absent()) return 0;
  const double value = argument.number(0);
  if (!(value > 0)) argument.refuse("greater than 0");
  return value;
}

void read_sequence(const Argument& element, Sequence& s) {
  s.tokens = element["tokens"].int32s();
  s.action_start = static_cast<int32_t>(element["actionStart"].integer(INT32_MIN));
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
  const Argument state = options["optimizerState"];
  o.compact_state = !state.absent() && state.choice<bool>({{"float32", false}, {"compact", true}});
  const Argument recompute = options["recompute"];
  if (!recompute.absent()) {
    o.recompute = recompute.choice<Recompute>({{"auto", Recompute::kAuto},
                                               {"none", Recompute::kNone},
                                               {"mlp", Recompute::kMlp},
                                               {"layers", Recompute::kLayers}});
  }
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
                                      {"adam_v", TensorKind::kAdamV},
                                      {"adam_m_codes", TensorKind::kAdamMCodes},
                                      {"adam_m_scales", TensorKind::kAdamMScales},
                                      {"adam_v_codes", TensorKind::kAdamVCodes},
                                      {"adam_v_scales", TensorKind::kAdamVScales}});
}

std::string read_adapter(const Argument& argument) {
  if (argument.absent()) return "";
  std::string name = argument.text();
  if (name.empty()) argument.refuse("the name of an adapter", "leave it out for the base");
  return name;
}

std::string adapter_of(const Argument& call) { return call.absent() ? "" : read_adapter(call["adapter"]); }

AdapterOptions read_adapter_options(const Argument& options) {
  AdapterOptions o;
  for (const Argument& element : options["modules"].elements()) {
    o.modules.push_back({element["name"].text(), static_cast<int32_t>(element["rank"].integer(INT32_MIN)),
                         element["scale"].number(kAnyNumber)});
  }
  o.trainable = options["trainable"].boolean();
  return o;
}

std::vector<Sequence> read_sequences(const Argument& sequences) {
  std::vector<Sequence> read;
  for (const Argument& element : sequences.elements()) read_sequence(element, read.emplace_back());
  return read;
}

std::vector<TrainSequence> read_batch(const Argument& batch) {
  std::vector<TrainSequence> read;
  for (const Argument& element : batch.elements()) {
    TrainSequence& s = read.emplace_back();
    read_sequence(element, s);
    const Argument advantage = element["advantage"], value = element["value"],
                   derivative = element["derivative"];
    if (advantage.is_number()) {
      s.advantage = static_cast<float>(advantage.number(kAnyNumber));
    } else {
      s.advantages = advantage.floats();
      if (s.advantages.empty()) advantage.refuse("a number, or a Float32Array with one per scored token");
    }
    s.weights = read_floats(element["weights"]);
    s.behavior_logprobs = read_floats(element["behaviorLogprobs"]);
    s.reference_logprobs = read_floats(element["referenceLogprobs"]);
    s.expected_logprobs = read_floats(element["expectedLogprobs"]);
    if (!value.absent()) s.value = value.number(kAnyNumber);
    if (!derivative.absent()) s.derivative = derivative.doubles();
  }
  return read;
}

LossOptions read_loss(const Argument& loss) {
  const auto real = [&](const char* key) { return static_cast<float>(loss[key].number(0)); };
  const auto real_or_0 = [&](const char* key) { return loss[key].absent() ? 0 : real(key); };
  LossOptions o;
  o.loss = loss["loss"].choice<Loss>(
      {{"reinforce", Loss::kReinforce}, {"ppo-clip", Loss::kPpoClip}, {"derivative", Loss::kDerivative}});
  o.aggregation = loss["aggregation"].choice<Aggregation>({{"sequence-sum", Aggregation::kSequenceSum},
                                                           {"sequence-mean", Aggregation::kSequenceMean},
                                                           {"token-mean", Aggregation::kTokenMean},
                                                           {"fixed-length", Aggregation::kFixedLength}});
  o.fixed_length = read_positive(loss["fixedLength"]);
  o.total_sequences = read_positive(loss["totalSequences"]);
  o.total_weight = read_positive(loss["totalWeight"]);
  o.clip_low = real("clipLow");
  o.clip_high = real("clipHigh");
  o.kl_weight = real("klWeight");
  o.kl_estimator = loss["klEstimator"].choice<KlEstimator>({{"k1", KlEstimator::kK1},
                                                            {"k2", KlEstimator::kK2},
                                                            {"k3", KlEstimator::kK3},
                                                            {"k3+", KlEstimator::kK3Plus}});
  o.entropy_weight = real_or_0("entropyWeight");
  o.temperature = real("temperature");
  o.tree = loss["tree"].boolean();
  o.max_tokens_per_micro_batch = static_cast<int32_t>(loss["maxTokensPerMicroBatch"].integer(0));
  return o;
}

OptimizerOptions read_optimizer(const Argument& optimizer) {
  OptimizerOptions o;
  o.lr = optimizer["lr"].number(0);
  o.beta1 = optimizer["beta1"].number(0, 1);
  o.beta2 = optimizer["beta2"].number(0, 1);
  o.eps = optimizer["eps"].number(0);
  o.weight_decay = optimizer["weightDecay"].number(0);
  o.max_grad_norm = optimizer["maxGradNorm"].number(0);
  const Argument seed = optimizer["seed"];
  if (!seed.absent()) o.seed = static_cast<uint64_t>(seed.integer(0, kSafeInteger));
  const Argument groups = optimizer["groups"], group_of = optimizer["groupOf"];
  if (groups.absent()) return o;
  for (const Argument& group : groups.elements()) {
    o.groups.push_back({group["lr"].number(0), group["weightDecay"].number(0), group["frozen"].boolean()});
  }
  o.group_of = group_of.int32s();
  return o;
}

GenerateOptions read_generate_options(const Argument& options) {
  GenerateOptions o;
  o.n = static_cast<int32_t>(options["n"].integer(1, 65536));
  o.sampling.temperature = static_cast<float>(options["temperature"].number(0));
  if (o.sampling.temperature == 0 && options["temperature"].number(0) != 0) {
    options["temperature"].refuse("0, or a number that float32 can tell from it");
  }
  o.sampling.top_k = static_cast<int32_t>(options["topK"].integer(0));
  o.sampling.top_p = static_cast<float>(options["topP"].number(0, 1));
  o.stop_tokens = options["stopTokens"].int32s();
  for (const Argument& stop : options["stopStrings"].elements()) {
    o.stop_strings.push_back(stop.text());
    if (o.stop_strings.back().empty()) stop.refuse("at least one character");
  }
  return o;
}

std::vector<Prompt> read_prompts(const Argument& prompts) {
  std::vector<Prompt> read;
  for (const Argument& element : prompts.elements()) {
    Prompt& prompt = read.emplace_back();
    prompt.tokens = element["tokens"].int32s();
    prompt.seed = element["seed"].bigint();
    prompt.max_new_tokens = static_cast<int32_t>(element["maxNewTokens"].integer(1));
  }
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
