// Parameters: every weight of a model in two flat ranges, matrices then vectors (norms and biases).
//
// One index space [0, total) serves weights, gradients and both Adam moments, so that clipping and AdamW are
// single passes. Matrices that are multiplied with the same input lie side by side (q, k, v; gate, up): one
// product serves them, while each keeps its checkpoint name.
//   float32 weights: the master copy. Kept for vectors always, for matrices when trained or computed in
//   float32. compute:         the bfloat16 copy of the matrices that products read. Absent in float32.
//   gradient, m, v:  float32, allocated when training begins. Gradients accumulate until zeroed.
#ifndef SWIRL_ENGINE_PARAMETERS_H_
#define SWIRL_ENGINE_PARAMETERS_H_

#include <string>
#include <unordered_map>
#include <vector>

#include "device.h"
#include "types.h"

namespace swirl {

// Where one layer's weights begin in the index space. -1: this family has no such weight.
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

  // Elements from `first` on: as many as there are bytes for; `count`. kWhole: the whole tensor, no more and no less.
  // The values are those that check_values accepts.
  void write(const std::string& name, TensorKind, swirl_dtype, int64_t first, const uint8_t* bytes,
             size_t count_bytes);
  std::vector<uint8_t> read(const std::string& name, TensorKind, swirl_dtype, int64_t first, int64_t count);

  // Of what `write` takes: throws Error("NUMERICS") naming tensor and element for a value that the tensor may not hold: what is not
  // finite, or a second moment below 0.
  void check_values(const std::string& name, TensorKind, swirl_dtype, int64_t first, const uint8_t* bytes,
                    size_t count_bytes) const;

  void begin_gradient();  // allocates on first use, then zeroes
  void zero_gradient();   // where there is one
  // Sums of squares by parameter group, 0 for frozen ones; not finite when any gradient is not. [1 + groups]
  std::vector<double> gradient_squares(const OptimizerOptions&) const;
  std::string first_infinite_gradient() const;  // the parameter's name
  // Takes the step and returns "", or changes nothing and returns which weight or moment would not be finite.
  std::string adamw_step(const OptimizerOptions&, double gradient_scale);
  int64_t step = 0;  // AdamW steps done

  uint64_t bytes() const;                    // allocated now
  uint64_t training_bytes() const;           // gradients and both moments; any thread
  uint64_t missing_bytes(TensorKind) const;  // of them, what a write or read of this kind allocates
  uint64_t staging_bytes(const std::string& name) const;  // what one does while it runs
  // All weights, before there are any.
  static uint64_t weight_bytes(const ModelConfig&, swirl_dtype, bool trainable);

 private:
  struct Place {
    int64_t offset, count;
  };
  // Neighbors in the index space of one parameter group.
  struct Range {
    int64_t begin, count;
    size_t group;
  };
  std::vector<Range> ranges(const OptimizerOptions&) const;
  double sum_of_squares(int64_t begin, int64_t count) const;
  const std::string& name_at(int64_t index) const;
  int64_t add(const std::string& name, std::vector<int64_t> shape);
  const Place& place(const std::string& name) const;
  // `count` elements of a tensor from its element `first` on; refused where it has not so many.
  Place part(const std::string& name, int64_t first, int64_t count) const;
  // visit(first element, elements) for a tensor's parts, which pass through `staging` one at a time.
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
  int64_t master_begin_ = 0;          // first index the float32 weights cover
  Buffer master_, compute_, gradient_, m_, v_;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_PARAMETERS_H_
