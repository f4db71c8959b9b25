// The architecture of a decoder, independent of its family. Same fields as ModelConfig in src/native/addon.ts.
#ifndef SWIRL_ENGINE_CONFIG_H_
#define SWIRL_ENGINE_CONFIG_H_

#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"

namespace swirl {

struct ModelConfig {
  int32_t layers = 0;
  int32_t width = 0;  // residual stream
  int32_t heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int32_t intermediate = 0;
  int32_t vocab = 0;
  int32_t max_positions = 0;
  float norm_eps = 1e-5f;
  bool norm_offset = false;
  swirl_activation activation = SWIRL_SILU;
  bool qkv_bias = false;
  bool output_bias = false;
  bool qk_norm = false;
  bool post_norms = false;
  float embed_scale = 1;
  float attention_scale = 1;
  float attention_softcap = 0;
  float logit_softcap = 0;
  int32_t sliding_window = 0;
  std::vector<bool> sliding_layers;                      // [layers]
  std::vector<double> rope_inverse_frequencies;          // [head_dim / 2]
  std::vector<double> rope_inverse_frequencies_sliding;  // [head_dim / 2]
  float rope_attention_factor = 1;
  bool tied_embeddings = true;

  int32_t q_width() const { return heads * head_dim; }
  int32_t kv_width() const { return kv_heads * head_dim; }
  int32_t qkv_width() const { return q_width() + 2 * kv_width(); }
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_CONFIG_H_
