#include "parameters.h"

namespace swirl {
namespace {

std::string layer_name(int32_t l, const char* part) {
  return "model.layers." + std::to_string(l) + "." + part;
}

}  // namespace

Parameters::Parameters(Device& device, const ModelConfig& c, swirl_dtype dtype, bool trainable,
                       bool compact_state)
    : Tensors(device, dtype, trainable,
              {"this model", "check that config.json belongs to these weights",
               "this engine was opened with trainable: false", "open the policy with trainable: true"},
              compact_state),
      layers_(c.layers) {
  embedding_ = add("model.embed_tokens.weight", {c.vocab, c.width});
  head_ = c.tied_embeddings ? embedding_ : add("lm_head.weight", {c.vocab, c.width});
  for (int32_t l = 0; l < c.layers; ++l) {
    LayerOffsets& at = layers_[l];
    at.qkv = add(layer_name(l, "self_attn.q_proj.weight"), {c.q_width(), c.width});
    add(layer_name(l, "self_attn.k_proj.weight"), {c.kv_width(), c.width});
    add(layer_name(l, "self_attn.v_proj.weight"), {c.kv_width(), c.width});
    at.output = add(layer_name(l, "self_attn.o_proj.weight"), {c.width, c.q_width()});
    at.gate_up = add(layer_name(l, "mlp.gate_proj.weight"), {c.intermediate, c.width});
    add(layer_name(l, "mlp.up_proj.weight"), {c.intermediate, c.width});
    at.down = add(layer_name(l, "mlp.down_proj.weight"), {c.width, c.intermediate});
  }
  end_matrices();
  for (int32_t l = 0; l < c.layers; ++l) {
    LayerOffsets& at = layers_[l];
    at.input_norm = add(layer_name(l, "input_layernorm.weight"), {c.width});
    if (c.qkv_bias) {
      at.qkv_bias = add(layer_name(l, "self_attn.q_proj.bias"), {c.q_width()});
      add(layer_name(l, "self_attn.k_proj.bias"), {c.kv_width()});
      add(layer_name(l, "self_attn.v_proj.bias"), {c.kv_width()});
    }
    if (c.output_bias) at.output_bias = add(layer_name(l, "self_attn.o_proj.bias"), {c.width});
    if (c.qk_norm) {
      at.q_norm = add(layer_name(l, "self_attn.q_norm.weight"), {c.head_dim});
      at.k_norm = add(layer_name(l, "self_attn.k_norm.weight"), {c.head_dim});
    }
    if (c.post_norms) {
      at.attention_post_norm = add(layer_name(l, "post_attention_layernorm.weight"), {c.width});
      at.mlp_norm = add(layer_name(l, "pre_feedforward_layernorm.weight"), {c.width});
      at.mlp_post_norm = add(layer_name(l, "post_feedforward_layernorm.weight"), {c.width});
    } else {
      at.mlp_norm = add(layer_name(l, "post_attention_layernorm.weight"), {c.width});
    }
  }
  final_norm_ = add("model.norm.weight", {c.width});
  allocate(trainable);
}

uint64_t Parameters::bytes_of(const ModelConfig& c, swirl_dtype dtype, bool masters) {
  const uint64_t layer = uint64_t(c.qkv_width()) * c.width + uint64_t(c.width) * c.q_width() +
                         3 * uint64_t(c.width) * c.intermediate;
  const uint64_t matrices = layer * c.layers + uint64_t(c.vocab) * c.width * (c.tied_embeddings ? 1 : 2);
  const uint64_t layer_vectors = uint64_t(c.width) * (c.post_norms ? 4 : 2) +
                                 (c.qkv_bias ? c.qkv_width() : 0) + (c.output_bias ? c.width : 0) +
                                 (c.qk_norm ? 2 * c.head_dim : 0);
  const uint64_t vectors = layer_vectors * c.layers + c.width;
  const bool half = dtype == SWIRL_BFLOAT16;
  return (half ? matrices * 2 : 0) + (half && !masters ? vectors : matrices + vectors) * sizeof(float);
}

}  // namespace swirl
