// The engine: one model on one device. Device-independent; everything it computes goes through the kernel
// table.
//
// Not thread-safe: one thread calls it, except where a member says otherwise. Every call throws swirl::Error.
// The forward and backward over a token tree give exactly the sum over the separate sequences.
#ifndef SWIRL_ENGINE_ENGINE_H_
#define SWIRL_ENGINE_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config.h"

namespace swirl {

class Profile;  // native/kernels/profile.h

struct EngineOptions {
  ModelConfig config;
  std::string device = "cpu";  // "cpu", "cuda", "cuda:1"
  swirl_dtype dtype = SWIRL_FLOAT32;
  int32_t threads = 0;         // 0 = all cores
  uint64_t memory_budget = 0;  // bytes in all; 0 = 80 % of what is free
  bool trainable = true;
  bool profile = false;  // times every kernel; see Engine::profile
};

struct ParameterInfo {
  std::string name;  // as in a Hugging Face checkpoint
  std::vector<int64_t> shape;
};

constexpr int64_t kWhole = -1;  // in place of the first element of a part of a tensor, and of its length

enum class TensorKind { kWeight, kGradient, kAdamM, kAdamV };

struct Sequence {
  std::vector<int32_t> tokens;
  int32_t action_start = 1;  // first scored token, 1 … tokens - 1
  float advantage = 1;
  std::vector<float> behavior_logprobs;   // empty or [tokens - action_start]
  std::vector<float> reference_logprobs;  // empty or [tokens - action_start]
};

enum class Loss { kReinforce, kPpoClip };
enum class Aggregation { kSequenceSum, kSequenceMean, kTokenMean };
enum class KlEstimator { kK1, kK2, kK3 };

struct LossOptions {
  Loss loss = Loss::kReinforce;
  Aggregation aggregation = Aggregation::kSequenceSum;
  float clip_low = 0.2f, clip_high = 0.2f;
  float kl_weight = 0;
  KlEstimator kl_estimator = KlEstimator::kK3;
  float temperature = 1;
  bool tree = true;
  // Rows in hand at once, the path to them aside; 0 = as the device likes.
  int32_t max_tokens_per_micro_batch = 0;
};

struct OptimizerOptions {
  double lr = 1e-6, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  double max_grad_norm = 1;  // 0 = no clipping
};

struct UpdateMetrics {
  double loss = 0, grad_norm = 0, entropy = 0, kl = 0, clip_ratio = 0, mean_logprob = 0, milliseconds = 0;
  int64_t tokens = 0, tree_tokens = 0, labels = 0, micro_batches = 0;
  uint64_t peak_bytes = 0;
  bool skipped = false;
};

struct Prompt {
  std::vector<int32_t> tokens;
  uint64_t seed = 0;
  int32_t max_new_tokens = 256;  // of each of its completions
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

// How a long call is watched. `cancelled` is looked at between layers and between decode steps, never inside
// an optimizer step.
struct Call {
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(int64_t done, int64_t total)> progress;
};

class Engine {
 public:
  explicit Engine(const EngineOptions&);
  ~Engine();

  const std::vector<ParameterInfo>& parameters() const;  // any thread

  // `bytes` are little-endian, row-major, of `dtype`: the whole tensor, or its elements from `first` on.
  void write_tensor(const std::string& name, TensorKind, swirl_dtype, const uint8_t* bytes,
                    size_t count_bytes, int64_t first = kWhole);
  std::vector<uint8_t> read_tensor(const std::string& name, TensorKind, swirl_dtype, int64_t first = kWhole,
                                   int64_t count = kWhole);
  int64_t optimizer_step() const;
  void set_optimizer_step(int64_t);
  // bytes: the UTF-8 of every token id, concatenated; offsets [vocab + 1].
  void set_token_bytes(std::vector<uint8_t> bytes, std::vector<int32_t> offsets);

  // One array per sequence: log p(tokens[t] | tokens[<t]), t = action_start … end.
  // max_tokens_per_micro_batch as in LossOptions.
  std::vector<std::vector<float>> logprobs(const std::vector<Sequence>&, float temperature, bool tree,
                                           int32_t max_tokens_per_micro_batch, const Call&);
  UpdateMetrics gradients(const std::vector<Sequence>&, const LossOptions&, const Call&);
  UpdateMetrics update(const std::vector<Sequence>&, const LossOptions&, const OptimizerOptions&,
                       const Call&);
  // [prompts][n]
  std::vector<std::vector<Completion>> generate(const std::vector<Prompt>&, const GenerateOptions&,
                                                const Call&, GenerateStats*);

  Estimate estimate(int64_t tree_tokens, int64_t labels) const;  // any thread
  uint64_t bytes() const;                                        // any thread
  uint64_t peak_bytes() const;                                   // any thread
  uint64_t budget() const;                                       // any thread
  Profile* profile();                                            // null unless options.profile

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Throws Error("INPUT") naming the index, field and value, unless every sequence can be trained on by this
// model.
void validate(const ModelConfig&, const std::vector<Sequence>&, const char* op);

}  // namespace swirl

#endif  // SWIRL_ENGINE_ENGINE_H_
