// Parameters: the weights of a base model. Matrices that are multiplied by the same input are adjacent (q, k, v; gate,
// up), so that one product serves them; each keeps its checkpoint name.
#ifndef SWIRL_ENGINE_PARAMETERS_H_
#define SWIRL_ENGINE_PARAMETERS_H_

#include <vector>

#include "tensors.h"

namespace swirl {

// Where one layer's weights begin in the index space. -1: the model family has no such weight.
struct LayerOffsets {
  int64_t qkv = -1, output = -1, gate_up = -1, down = -1;             // matrices, [out, in]
  int64_t qkv_bias = -1, output_bias = -1, q_norm = -1, k_norm = -1;  // vectors
  int64_t input_norm = -1, attention_post_norm = -1, mlp_norm = -1, mlp_post_norm = -1;
};

class Parameters : public Tensors {
 public:
  Parameters(Device&, const ModelConfig&, swirl_dtype, bool trainable, bool compact_state = false);

  const LayerOffsets& layer(int32_t l) const { return layers_[l]; }
  int64_t embedding() const { return embedding_; }
  int64_t head() const { return head_; }  // the embedding when tied
  int64_t final_norm() const { return final_norm_; }

  // Bytes of all weights, before they are allocated. masters: whether matrices have a float32 master in bfloat16 too.
  static uint64_t bytes_of(const ModelConfig&, swirl_dtype, bool masters);

 private:
  std::vector<LayerOffsets> layers_;
  int64_t embedding_ = -1, head_ = -1, final_norm_ = -1;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_PARAMETERS_H_
