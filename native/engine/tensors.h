// Tensors: named weights in one index space, first the matrices, then the vectors (norms and biases), together with
// their training state. Parameters (the base) and Adapter each lay out their tensors in one.
//
// Weights, gradients and both Adam moments share the index space [0, total), so that clipping and AdamW are single
// passes.
//   float32 weights: the master copy. Always kept for vectors; for matrices, when training or computing in float32.
//   compute:         the bfloat16 copy of the matrices, which products read. Absent in float32.
//   gradient, m, v:  float32, allocated when training begins. Gradients accumulate until zeroed.
// Compact state has no master copy of the matrices and keeps their moments in 8 bits: 8.06 bytes per parameter instead
// of 18. Gradients stay in float32: they sum over tokens and micro-batches, where bfloat16 would drop small terms.
#ifndef SWIRL_ENGINE_TENSORS_H_
#define SWIRL_ENGINE_TENSORS_H_

#include <string>
#include <unordered_map>
#include <vector>

#include "compact_moments.h"
#include "device.h"
#include "types.h"

namespace swirl {

enum class GradientState {
  kNone,   // zeros, or not allocated yet
  kReady,  // the sum of every forward_backward since the last step
  kSpent,  // the last step has used it; it can still be read
  kTorn,   // kReady, and part of a call that failed
};

class Tensors {
 public:
  Tensors(const Tensors&) = delete;
  Tensors& operator=(const Tensors&) = delete;

  const std::vector<ParameterInfo>& infos() const { return infos_; }  // any thread
  bool trainable() const { return trainable_; }                       // any thread
  // Throws INPUT, with the remedy, unless trainable.
  void require_trainable(const char* op) const;

  const void* matrix(int64_t offset) const;   // in the compute dtype
  const float* vector(int64_t offset) const;  // float32
  float* gradient(int64_t offset) const { return gradient_.as<float>() + offset; }

  // Write or read elements from `first` on: write as many as `bytes` holds, read `count`. kWhole: exactly the whole
  // tensor. Values must have passed check_values. Stored kinds (kAdamMCodes …): bytes, whatever the dtype.
  void write(const std::string& name, TensorKind, swirl_dtype, int64_t first, const uint8_t* bytes,
             size_t count_bytes);
  std::vector<uint8_t> read(const std::string& name, TensorKind, swirl_dtype, int64_t first, int64_t count);

  // Checks the arguments of `write`: throws Error("NUMERICS"), with tensor and element, for a value that is not finite
  // or a second moment below 0.
  void check_values(const std::string& name, TensorKind, swirl_dtype, int64_t first, const uint8_t* bytes,
                    size_t count_bytes) const;

  GradientState gradient_state = GradientState::kNone;
  bool loss_finite = true;  // whether every loss in the gradient was finite
  // Zeros where there is nothing to add to; allocates on first use. Refuses a torn gradient.
  void begin_gradient(const char* op);
  void drop_gradient();  // kNone
  // Sums of squares by parameter group, 0 for frozen ones; not finite when any gradient is not. [1 + groups]
  std::vector<double> gradient_squares(const OptimizerOptions&) const;
  std::string first_infinite_gradient() const;  // the parameter's name
  // Takes the step and returns "", or changes nothing and returns the weight or moment that would not be finite.
  std::string adamw_step(const OptimizerOptions&, double gradient_scale);
  int64_t step = 0;  // AdamW steps done

  uint64_t bytes() const;           // allocated now
  uint64_t weight_bytes() const;    // of the weights; any thread
  uint64_t training_bytes() const;  // gradients and both moments, 0 unless trainable; any thread
  uint64_t missing_bytes() const { return weight_bytes() + training_bytes() - bytes(); }  // to train
  uint64_t missing_bytes(TensorKind) const;               // what a write or read of this kind would allocate
  uint64_t staging_bytes(const std::string& name) const;  // temporary memory of a write or read

 protected:
  // Texts for errors.
  struct Owner {
    std::string name;         // "this model"
    std::string check;        // remedy if it has no such tensor
    std::string untrainable;  // that it is not trainable, and why
    std::string remedy;       // for that error
  };
  // compact: of the optimizer state; with bfloat16 only.
  Tensors(Device&, swirl_dtype, bool trainable, Owner, bool compact = false);
  ~Tensors() = default;

  // Layout: matrices, end_matrices(), vectors, allocate(). Returns the offset.
  int64_t add(const std::string& name, std::vector<int64_t> shape);
  void end_matrices() { matrices_ = total_; }
  // Zeroed weights. matrix_masters: whether matrices have a float32 master in bfloat16 as well; compact state has none.
  void allocate(bool matrix_masters);

 private:
  struct Place {
    int64_t offset, count;
    CompactMoments::Place moments;  // of a matrix, in compact state
  };
  // A contiguous range of the index space in one parameter group.
  struct Range {
    int64_t begin, count;
    size_t group;
  };
  std::vector<Range> ranges(const OptimizerOptions&) const;
  // The work of one call of the optimizer's kernels: one matrix in compact state, else a range of matrices or of
  // vectors.
  struct Piece : Range {
    int64_t parameter = -1;  // index of the matrix, in compact state
  };
  std::vector<Piece> pieces(const OptimizerOptions&) const;
  int64_t check_step(const Piece&, const swirl_adamw&) const;  // see adamw_check
  void take_step(const Piece&, const swirl_adamw&, uint64_t seed);
  double sum_of_squares(int64_t begin, int64_t count) const;
  const std::string& name_at(int64_t index) const;
  const Place& place(const std::string& name) const;
  // `count` elements of a tensor from element `first` on; throws if the tensor is shorter.
  Place part(const std::string& name, int64_t first, int64_t count) const;
  // Calls visit(first element, elements) for each part of a tensor, as large as `staging` can hold.
  template <class Visit>
  void each_part(const Place&, swirl_dtype, Buffer& staging, const Visit& visit) const;
  Buffer& buffer(TensorKind);
  bool has_compact_moments(const Place& at) const { return compact_state_ && at.offset < matrices_; }
  // The place of a matrix with compact moments, for stored bytes `first` … `first + count`: checked, kWhole resolved.
  const Place& stored_part(const std::string& name, TensorKind, int64_t& first, int64_t& count) const;
  float* moment(const Buffer& buffer, int64_t index) const {
    return buffer.as<float>() + (index - moment_begin());
  }
  int64_t moment_begin() const {
    return compact_state_ ? matrices_ : 0;
  }                               // first index that has float32 moments
  uint64_t moment_bytes() const;  // of both
  void clear_gradient();          // allocates on first use, then zeroes
  void begin_moments();

  Device& device_;
  const swirl_dtype dtype_;
  const bool trainable_, compact_state_;
  const Owner owner_;
  std::vector<ParameterInfo> infos_;
  std::unordered_map<std::string, Place> places_;
  int64_t matrices_ = 0, total_ = 0;  // elements
  int64_t master_begin_ = 0;          // first index that has float32 weights
  Buffer master_, compute_, gradient_, m_, v_;
  CompactMoments compact_;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_TENSORS_H_
