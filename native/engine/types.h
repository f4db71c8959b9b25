// Arguments and results of the engine's calls. Plain data.
#ifndef SWIRL_ENGINE_TYPES_H_
#define SWIRL_ENGINE_TYPES_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config.h"

namespace swirl {

// Which activations the backward recomputes instead of keeping them: the same bits in less memory.
enum class Recompute {
  kAuto,  // as few as needed for the batch to fit into the budget
  kNone,
  kMlp,     // the gated activation's input
  kLayers,  // everything but q, k, v and the input of every layer
};

struct EngineOptions {
  ModelConfig config;
  std::string device = "cpu";  // "cpu", "cuda", "cuda:1"
  swirl_dtype dtype = SWIRL_FLOAT32;
  int32_t threads = 0;         // 0 = all cores
  uint64_t memory_budget = 0;  // total bytes; 0 = 80 % of the free memory
  bool trainable = true;
  // bfloat16 weights without a float32 master, rounded stochastically, and 8-bit moments; with dtype bfloat16 only.
  bool compact_state = false;
  Recompute recompute = Recompute::kAuto;
  bool profile = false;  // time every kernel; see Engine::profile
};

struct ParameterInfo {
  std::string name;  // as in a Hugging Face checkpoint
  std::vector<int64_t> shape;
};

// A module of the base, "model.layers.0.self_attn.q_proj", that an adapter changes: y = W·x + scale · B·(A·x).
struct AdapterModule {
  std::string name;
  int32_t rank = 0;
  double scale = 1;
};

struct AdapterOptions {
  std::vector<AdapterModule> modules;
  bool trainable = true;
};

constexpr int64_t kWhole = -1;  // as `first` or `count`: the whole tensor

enum class TensorKind {
  kWeight,
  kGradient,
  kAdamM,
  kAdamV,
  // What compact optimizer state stores: one byte per element, and one per block.
  kAdamMCodes,
  kAdamMScales,
  kAdamVCodes,
  kAdamVScales,
};

struct Sequence {
  std::vector<int32_t> tokens;
  int32_t action_start = 1;  // first scored token, 1 … tokens - 1

  size_t scored() const { return tokens.size() - action_start; }
};

enum class Loss {
  kReinforce,
  kPpoClip,
  kDerivative,  // computed by the caller: each sequence carries value and derivative
};
enum class Aggregation { kSequenceSum, kSequenceMean, kTokenMean, kFixedLength };
enum class KlEstimator { kK1, kK2, kK3, kK3Plus };

// Arrays are empty or have one element per scored token.
struct TrainSequence : Sequence {
  float advantage = 1;
  std::vector<float> advantages;  // instead of `advantage`
  std::vector<float> weights;     // at least 0 each; empty: 1 throughout
  std::vector<float> behavior_logprobs;
  std::vector<float> reference_logprobs;
  // For Loss::kDerivative, before the aggregation's factor: the loss, and its derivative with respect to the log-prob
  // (required).
  double value = 0;
  std::vector<double> derivative;
  // The log-probs from which the caller computed the derivative. The call fails if the current ones differ in any bit.
  std::vector<float> expected_logprobs;

  double advantage_at(size_t t) const { return advantages.empty() ? advantage : advantages[t]; }
  double weight_at(size_t t) const { return weights.empty() ? 1 : weights[t]; }
};

struct LossOptions {
  Loss loss = Loss::kReinforce;
  Aggregation aggregation = Aggregation::kSequenceSum;
  double fixed_length = 0;  // tokens that kFixedLength divides by
  // Totals of the whole batch, when this call has only a part of it; 0 = totals of this call.
  double total_sequences = 0, total_weight = 0;
  float clip_low = 0.2f, clip_high = 0.2f;
  float kl_weight = 0;
  KlEstimator kl_estimator = KlEstimator::kK3;
  float entropy_weight = 0;  // weight of the entropy bonus
  float temperature = 1;
  bool tree = true;
  // Maximum rows per micro-batch, shared ancestors excluded; 0 = device default.
  int32_t max_tokens_per_micro_batch = 0;
};

struct ParameterGroup {
  double lr = 0, weight_decay = 0;
  bool frozen = false;
};

struct OptimizerOptions {
  double lr = 1e-6, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  double max_grad_norm = 1;  // 0 = no clipping
  // Groups 1, 2, …; group 0 is lr and weight_decay. group_of: [parameters], empty = all in group 0.
  std::vector<ParameterGroup> groups;
  std::vector<int32_t> group_of;
  uint64_t seed = 0;  // of the stochastic rounding of compact state

  ParameterGroup group(size_t i) const {
    return i == 0 ? ParameterGroup{lr, weight_decay, false} : groups[i - 1];
  }
};

struct GradientMetrics {
  double loss = 0, entropy = 0, kl = 0, clip_ratio = 0, mean_logprob = 0, milliseconds = 0;
  int64_t tokens = 0, tree_tokens = 0, labels = 0, micro_batches = 0;
  int64_t left_out = 0;  // sequences that were not computed, because they cannot change the gradient
  uint64_t peak_bytes = 0;
};

struct StepMetrics {
  double grad_norm = 0;                  // before clipping, frozen parameters excluded
  std::vector<double> group_grad_norms;  // [1 + groups]
  std::string skip_reason;               // empty: the step was taken; otherwise why nothing changed
  double milliseconds = 0;
  uint64_t peak_bytes = 0;
};

struct UpdateMetrics {
  GradientMetrics gradient;
  StepMetrics step;
};

struct Prompt {
  std::vector<int32_t> tokens;
  uint64_t seed = 0;
  int32_t max_new_tokens = 256;  // per completion
};

struct GenerateOptions {
  int32_t n = 1;
  swirl_sampling sampling = {1, 0, 1};
  std::vector<int32_t> stop_tokens;
  std::vector<std::string> stop_strings;
};

enum class Finish { kStop, kLength, kEos };

struct Completion {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  Finish finish = Finish::kLength;
};

struct GenerateStats {
  int64_t prefill_tokens = 0, cached_tokens = 0, decoded_tokens = 0;
};

struct Estimate {
  uint64_t bytes = 0, budget = 0;
};

// Progress and cancellation of a long call, and the adapter that it computes with or trains. `cancelled` is checked
// between layers and between decode steps, never inside an optimizer step.
struct Call {
  std::string adapter;  // empty: the base alone
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(int64_t done, int64_t total)> progress;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_TYPES_H_
