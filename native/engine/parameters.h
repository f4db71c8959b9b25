// Parameters: all weights of a model in one index space, first the matrices, then the vectors (norms and biases).
//
// Weights, gradients and both Adam moments share the index space [0, total), so that clipping and AdamW are single
// passes. Matrices that are multiplied by the same input are adjacent (q, k, v; gate, up), so that one product serves
// them; each keeps its checkpoint name.
//   float32 weights: the master copy. Always kept for vectors; for matrices, when training or computing in float32.
//   compute:         the bfloat16 copy of the matrices, which products read. Absent in float32.
//   gradient, m, v:  float32, allocated when training begins. Gradients accumulate until zeroed.
#ifndef SWIRL_ENGINE_PARAMETERS_H_
#define SWIRL_ENGINE_PARAMETERS_H_

#include <string>
#include <unordered_map>
#include <vector>

#include "device.h"
#include "types.h"

namespace swirl {

// Where one layer's weights begin in the index space. -1: the model family has no such weight.
struct LayerOffsets {
  int64_t qkv = -1, output = -1, gate_up = -1, down = -1;             // matrices, [out, in]
  int64_t qkv_bias = -1, output_bias = -1, q_norm = -1, k_norm = -1;  // vectors
  int64_t input_norm = -1, attention_post_norm = -1, mlp_norm = -1, mlp_post_norm = -1;
};

class Parameters {
 public:
  Parameters(Device&, const ModelConfig&, swirl_dtype, bool trainable);

  const std::vector<ParameterInfo>& infos() const { return infos_; }
  const LayerOffsets& layer(int32_t l) const { return layers_[l]; }
  int64_t embedding() const { return embedding_; }
  int64_t head() const { return head_; }  // the embedding when tied
  int64_t final_norm() const { return final_norm_; }

  const void* matrix(int64_t offset) const;   // in the compute dtype
  const float* vector(int64_t offset) const;  // float32
  float* gradient(int64_t offset) const { return gradient_.as<float>() + offset; }

  // Write or read elements from `first` on: write as many as `bytes` holds, read `count`. kWhole: exactly the whole
  // tensor. Values must have passed check_values.
  void write(const std::string& name, TensorKind, swirl_dtype, int64_t first, const uint8_t* bytes,
             size_t count_bytes);
  std::vector<uint8_t> read(const std::string& name, TensorKind, swirl_dtype, int64_t first, int64_t count);

  // Checks the arguments of `write`: throws Error("NUMERICS"), with tensor and element, for a value that is not finite
  // or a second moment below 0.
  void check_values(const std::string& name, TensorKind, swirl_dtype, int64_t first, const uint8_t* bytes,
                    size_t count_bytes) const;

  void begin_gradient();  // allocates on first use, then zeroes
  void zero_gradient();   // if allocated
  // Sums of squares by parameter group, 0 for frozen ones; not finite when any gradient is not. [1 + groups]
  std::vector<double> gradient_squares(const OptimizerOptions&) const;
  std::string first_infinite_gradient() const;  // the parameter's name
  // Takes the step and returns "", or changes nothing and returns which weight or moment would not be finite.
  std::string adamw_step(const OptimizerOptions&, double gradient_scale);
  int64_t step = 0;  // AdamW steps done

  uint64_t bytes() const;                                 // allocated now
  uint64_t training_bytes() const;                        // gradients and both moments; any thread
  uint64_t missing_bytes(TensorKind) const;               // what a write or read of this kind would allocate
  uint64_t staging_bytes(const std::string& name) const;  // temporary memory of a write or read
  // Bytes of all weights, before they are allocated.
  static uint64_t weight_bytes(const ModelConfig&, swirl_dtype, bool trainable);

 private:
  struct Place {
    int64_t offset, count;
  };
  // A contiguous range of the index space in one parameter group.
  struct Range {
    int64_t begin, count;
    size_t group;
  };
  std::vector<Range> ranges(const OptimizerOptions&) const;
  double sum_of_squares(int64_t begin, int64_t count) const;
  const std::string& name_at(int64_t index) const;
  int64_t add(const std::string& name, std::vector<int64_t> shape);
  const Place& place(const std::string& name) const;
  // `count` elements of a tensor from element `first` on; throws if the tensor is shorter.
  Place part(const std::string& name, int64_t first, int64_t count) const;
  // Calls visit(first element, elements) for each part of a tensor, as large as `staging` can hold.
  template <class Visit>
  void each_part(const Place&, swirl_dtype, Buffer& staging, const Visit& visit) const;
  Buffer& buffer(TensorKind);
  void begin_moments();

  Device& device_;
  swirl_dtype dtype_;
  bool trainable_;
  std::vector<ParameterInfo> infos_;
  std::unordered_map<std::string, Place> places_;
  std::vector<LayerOffsets> layers_;
  int64_t embedding_ = -1, head_ = -1, final_norm_ = -1;
  int64_t matrices_ = 0, total_ = 0;  // elements
  int64_t master_begin_ = 0;          // first index that has float32 weights
  Buffer master_, compute_, gradient_, m_, v_;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_PARAMETERS_H_
