// The engine: one model on one device. Device-independent; everything it computes goes through the kernel
// table.
// Adapters change its weights for the calls that name them; the base is held once. Where an adapter is a parameter, ""
// stands for the base, and a name that no adapter has is refused with INPUT.
//
// Not thread-safe: one thread calls it, except members marked "any thread". Calls throw swirl::Error; a wrong
// argument is found before anything changes.
// The loss and gradient over a token tree are exactly the sums over the separate sequences.
// Weights and AdamW moments are always finite: a write or step that would make them non-finite is refused.
#ifndef SWIRL_ENGINE_ENGINE_H_
#define SWIRL_ENGINE_ENGINE_H_

#include <memory>

#include "types.h"

namespace swirl {

class Profile;  // native/kernels/profile.h

class Engine {
 public:
  explicit Engine(const EngineOptions&);
  ~Engine();

  std::vector<ParameterInfo> parameters(const std::string& adapter = "") const;  // any thread

  // Adds an adapter whose A and B are zero. Throws INPUT for a name in use or empty, and for modules that do not fit
  // the model (validate.h).
  void add_adapter(const std::string& name, const AdapterOptions&);
  void remove_adapter(const std::string& name);

  // `bytes` are little-endian, row-major, of `dtype`: the whole tensor, or its elements from `first` on.
  void write_tensor(const std::string& name, TensorKind, swirl_dtype, const uint8_t* bytes,
                    size_t count_bytes, int64_t first = kWhole, const std::string& adapter = "");
  std::vector<uint8_t> read_tensor(const std::string& name, TensorKind, swirl_dtype, int64_t first = kWhole,
                                   int64_t count = kWhole, const std::string& adapter = "");
  int64_t optimizer_step(const std::string& adapter = "") const;
  void set_optimizer_step(int64_t, const std::string& adapter = "");
  // bytes: the UTF-8 of every token id, concatenated; offsets [vocab + 1].
  void set_token_bytes(std::vector<uint8_t> bytes, std::vector<int32_t> offsets);

  // Per sequence, log p(tokens[t] | tokens[<t]) for t from action_start to the last token, in nats.
  // max_tokens_per_micro_batch: see LossOptions.
  std::vector<std::vector<float>> logprobs(const std::vector<Sequence>&, float temperature, bool tree,
                                           int32_t max_tokens_per_micro_batch, const Call&);

  // Adds the gradient of the batch's loss to the gradient since the last step: of the adapter if there is one, else of
  // the base. If the call fails after it has begun and there was no gradient before, there is none afterwards;
  // otherwise the gradient is incomplete, and later calls are refused until zero_gradients.
  GradientMetrics forward_backward(const std::vector<TrainSequence>&, const LossOptions&, const Call&);
  // One AdamW step on the gradients. They can be read afterwards, and the next forward_backward starts from zero.
  // If the loss, the gradient or the result is not finite, nothing changes.
  StepMetrics optim_step(const OptimizerOptions&, const Call&);
  void zero_gradients(const std::string& adapter = "");
  // zero_gradients, forward_backward and optim_step in one call.
  UpdateMetrics update(const std::vector<TrainSequence>&, const LossOptions&, const OptimizerOptions&,
                       const Call&);

  // Samples n completions of every prompt: [prompts][n].
  std::vector<std::vector<Completion>> generate(const std::vector<Prompt>&, const GenerateOptions&,
                                                const Call&, GenerateStats*);

  // The estimate for training, with gradients and moments, unless the base (or the adapter) is not trainable. Any
  // thread.
  Estimate estimate(int64_t tree_tokens, int64_t labels, const std::string& adapter = "") const;
  uint64_t bytes() const;       // any thread
  uint64_t peak_bytes() const;  // any thread
  uint64_t budget() const;      // any thread
  Profile* profile();           // null unless options.profile

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_ENGINE_H_
