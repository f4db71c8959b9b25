// The hand-written backward. Norms and gated activations are always recomputed; Keep determines what else is.
#include "model.h"

namespace swirl {

void Model::begin_gradient(const Rows& r, const Activations& a) {
  const swirl_kernels& k = device_.kernels();
  const auto zero = [&](float* from, int64_t width) {
    device_.check(k.zero(device_.handle(), from, size_t(r.rows) * width * sizeof(float)), "zero");
  };
  zero(a.gradient, c_.width);
  for (const LayerActivations& x : a.layers) {
    zero(x.key_gradient + size_t(r.base) * c_.kv_width(), c_.kv_width());
    zero(x.value_gradient + size_t(r.base) * c_.kv_width(), c_.kv_width());
  }
}

void Model::backward(const Rows& r, const Activations& a, const BetweenLayers& between_layers) {
  // Below the lowest adapted layer nothing is trained.
  const int32_t lowest = a.adapter ? a.adapter->lowest_layer() : 0;
  for (int32_t l = c_.layers - 1; l >= lowest; --l) {
    if (between_layers) between_layers();
    recompute(l, r, a);
    const bool below = !a.adapter || l > lowest;
    const bool attention = below || a.adapter->adapts_attention(l);
    mlp_backward(l, r, a, attention);
    if (attention) attention_backward(l, r, a, below);
  }
  if (a.adapter) return;
  device_.check(device_.kernels().embedding_backward(device_.handle(), r.rows, c_.width, r.host_token,
                                                     a.gradient, c_.embed_scale, p_.gradient(p_.embedding())),
                "embedding backward");
}

void Model::recompute(int32_t l, const Rows& r, const Activations& a) {
  if (a.keep == Keep::kAll) return;
  if (a.keep == Keep::kLayers) {
    if (c_.qk_norm) project_qkv(l, r, a);  // for q and k before their norms
    attend(l, r, a, nullptr);
  }
  project_gate_up(l, r, a);
  if (a.keep == Keep::kLayers && c_.post_norms) project_down(l, r, a, a.layers[l].mlp_out);
}

void Model::weight_gradient(const Activations& a, int32_t n, int32_t k, int32_t rows, const void* dy,
                            const void* x, int64_t weight, const char* what) {
  if (a.adapter) return;
  product(true, false, n, k, rows, dy, n, x, k, 1, p_.gradient(weight), k, SWIRL_FLOAT32, what);
}

void Model::mlp_backward(int32_t l, const Rows& r, const Activations& a, bool below) {
  const swirl_kernels& k = device_.kernels();
  swirl_device* device = device_.handle();
  const LayerActivations& x = a.layers[l];
  const LayerOffsets& w = p_.layer(l);
  const int32_t t = r.rows, inner = c_.intermediate, width = c_.width;

  if (c_.post_norms) {
    norm(t, x.mlp_out, w.mlp_post_norm, a.wide, SWIRL_FLOAT32, a.rstd);  // for its rstd
    norm_backward(t, x.mlp_out, w.mlp_post_norm, a.rstd, a.gradient, SWIRL_FLOAT32, a.gradient_d, dtype_,
                  false, gradient(a, w.mlp_post_norm));
  } else {
    device_.check(k.convert(device, a.gradient_d, dtype_, a.gradient, SWIRL_FLOAT32, size_t(t) * width),
                  "convert");
  }
  if (trains(a, l, Group::kDown)) {
    device_.check(k.gated_forward(device, c_.activation, t, inner, x.gate_up, a.gated, dtype_),
                  "gated activation");
  }
  weight_gradient(a, width, inner, t, a.gradient_d, a.gated, w.down, "down projection, weight gradient");
  const bool through = below || trains(a, l, Group::kGateUp);
  if (through) {
    product(false, false, t, inner, width, a.gradient_d, width, p_.matrix(w.down), inner, 0, a.dgated, inner,
            dtype_, "down projection, input gradient");
  }
  adapt_backward(Group::kDown, l, a, t, a.gradient_d, width, a.gated, through ? a.dgated : nullptr, dtype_);
  if (!through) return;
  device_.check(k.gated_backward(device, c_.activation, t, inner, x.gate_up, a.dgated, a.dgate_up, dtype_),
                "gated activation backward");
  norm(t, x.middle, w.mlp_norm, a.normed, dtype_, a.rstd);
  weight_gradient(a, 2 * inner, width, t, a.dgate_up, a.normed, w.gate_up,
                  "gate and up projection, weight gradient");
  if (below) {
    product(false, false, t, width, 2 * inner, a.dgate_up, 2 * inner, p_.matrix(w.gate_up), width, 0, a.wide,
            width, SWIRL_FLOAT32, "gate and up projection, input gradient");
  }
  adapt_backward(Group::kGateUp, l, a, t, a.dgate_up, 2 * inner, a.normed, below ? a.wide : nullptr,
                 SWIRL_FLOAT32);
  if (!below) return;
  norm_backward(t, x.middle, w.mlp_norm, a.rstd, a.wide, SWIRL_FLOAT32, a.gradient, SWIRL_FLOAT32, true,
                gradient(a, w.mlp_norm));
}

void Model::attention_backward(int32_t l, const Rows& r, const Activations& a, bool below) {
  const swirl_kernels& k = device_.kernels();
  swirl_device* device = device_.handle();
  const LayerActivations& x = a.layers[l];
  const LayerOffsets& w = p_.layer(l);
  const int32_t t = r.rows, qkv = c_.qkv_width(), q = c_.q_width(), kv = c_.kv_width(), width = c_.width;
  const float offset = c_.norm_offset ? 1.f : 0.f;

  const float* out_gradient = a.gradient;
  if (c_.post_norms) {
    norm(t, x.attention_out, w.attention_post_norm, a.wide, SWIRL_FLOAT32, a.rstd);  // for its rstd
    norm_backward(t, x.attention_out, w.attention_post_norm, a.rstd, a.gradient, SWIRL_FLOAT32, a.wide,
                  SWIRL_FLOAT32, false, gradient(a, w.attention_post_norm));
    out_gradient = a.wide;
  }
  device_.check(k.convert(device, a.gradient_d, dtype_, out_gradient, SWIRL_FLOAT32, size_t(t) * width),
                "convert");
  if (c_.output_bias && !a.adapter) {
    device_.check(
        k.bias_backward(device, t, width, out_gradient, width, SWIRL_FLOAT32, p_.gradient(w.output_bias)),
        "bias backward");
  }
  weight_gradient(a, width, q, t, a.gradient_d, x.attention, w.output,
                  "attention output projection, weight gradient");
  const bool through = below || trains(a, l, Group::kQkv);
  if (through) {
    product(false, false, t, q, width, a.gradient_d, width, p_.matrix(w.output), q, 0, a.dattention, q,
            dtype_, "attention output projection, input gradient");
  }
  adapt_backward(Group::kOutput, l, a, t, a.gradient_d, width, x.attention, through ? a.dattention : nullptr,
                 dtype_);
  if (!through) return;

  const swirl_attention_shape s = attention_shape(l);
  device_.check(k.attention_backward(device, &s, &r.tree, x.qkv, qkv, at(x.stack_qkv, q), qkv,
                                     at(x.stack_qkv, q + kv), qkv, x.attention, q, x.lse, a.dattention, q,
                                     a.dqkv, x.key_gradient, x.value_gradient, dtype_),
                "attention backward");
  // Every row that sees these keys has been processed: their sums are complete.
  const size_t own = size_t(r.base) * kv;
  device_.check(k.convert_rows(device, t, kv, x.key_gradient + own, kv, nullptr, at(a.dqkv, q), qkv, dtype_),
                "convert");
  device_.check(
      k.convert_rows(device, t, kv, x.value_gradient + own, kv, nullptr, at(a.dqkv, q + kv), qkv, dtype_),
      "convert");
  device_.check(k.rope(device, t, c_.heads + c_.kv_heads, c_.head_dim, a.dqkv, qkv, dtype_, r.position,
                       cosine(l), sine(l), 1),
                "rope backward");
  if (c_.qk_norm) {
    const int32_t qk = q + kv;
    device_.check(k.rmsnorm_backward(device, t, c_.heads, c_.head_dim, x.qk_raw, qk, SWIRL_FLOAT32,
                                     p_.vector(w.q_norm), offset, x.q_rstd, a.dqkv, qkv, dtype_, a.dqkv, qkv,
                                     dtype_, 0, gradient(a, w.q_norm)),
                  "q norm backward");
    device_.check(k.rmsnorm_backward(device, t, c_.kv_heads, c_.head_dim, x.qk_raw + q, qk, SWIRL_FLOAT32,
                                     p_.vector(w.k_norm), offset, x.k_rstd, at(a.dqkv, q), qkv, dtype_,
                                     at(a.dqkv, q), qkv, dtype_, 0, gradient(a, w.k_norm)),
                  "k norm backward");
  }
  if (c_.qkv_bias && !a.adapter) {
    device_.check(k.bias_backward(device, t, qkv, a.dqkv, qkv, dtype_, p_.gradient(w.qkv_bias)),
                  "bias backward");
  }
  norm(t, x.input, w.input_norm, a.normed, dtype_, a.rstd);
  weight_gradient(a, qkv, width, t, a.dqkv, a.normed, w.qkv, "q, k, v projection, weight gradient");
  if (below) {
    product(false, false, t, width, qkv, a.dqkv, qkv, p_.matrix(w.qkv), width, 0, a.wide, width,
            SWIRL_FLOAT32, "q, k, v projection, input gradient");
  }
  adapt_backward(Group::kQkv, l, a, t, a.dqkv, qkv, a.normed, below ? a.wide : nullptr, SWIRL_FLOAT32);
  if (!below) return;
  norm_backward(t, x.input, w.input_norm, a.rstd, a.wide, SWIRL_FLOAT32, a.gradient, SWIRL_FLOAT32, true,
                gradient(a, w.input_norm));
}

}  // namespace swirl
