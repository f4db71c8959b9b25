// The forward of every layer, over a token tree or a KV cache.
#include "model.h"

namespace swirl {

void Model::forward(const Rows& r, const Activations& a, const CacheView* cache,
                    const BetweenLayers& between_layers) {
  const swirl_kernels& k = device_.kernels();
  device_.check(k.embedding_forward(device_.handle(), r.rows, c_.width, r.token, p_.matrix(p_.embedding()),
                                    dtype_, c_.embed_scale, a.layers[0].input),
                "embedding");
  for (int32_t l = 0; l < c_.layers; ++l) {
    if (between_layers) between_layers();
    attention_block(l, r, a, cache);
    mlp_block(l, r, a, l + 1 < c_.layers ? a.layers[l + 1].input : a.output);
  }
}

void Model::attention_block(int32_t l, const Rows& r, const Activations& a, const CacheView* cache) {
  project_qkv(l, r, a);
  attend(l, r, a, cache);
}

void Model::project_qkv(int32_t l, const Rows& r, const Activations& a) {
  const swirl_kernels& k = device_.kernels();
  swirl_device* device = device_.handle();
  const LayerActivations& x = a.layers[l];
  const LayerOffsets& w = p_.layer(l);
  const int32_t t = r.rows, qkv = c_.qkv_width(), q = c_.q_width(), kv = c_.kv_width();
  const float offset = c_.norm_offset ? 1.f : 0.f;

  norm(t, x.input, w.input_norm, a.normed, dtype_, a.rstd);
  if (c_.qk_norm) {
    // q and k stay in float32 until their norm: rounded before it, the error would pass through 1 / rms.
    const int32_t qk = q + kv;
    times_weight(t, qk, c_.width, a.normed, w.qkv, 0, x.qk_raw, qk, SWIRL_FLOAT32, "q, k projection");
    times_weight(t, kv, c_.width, a.normed, w.qkv + int64_t(qk) * c_.width, 0, at(x.qkv, qk), qkv, dtype_,
                 "v projection");
    adapt(Group::kQkv, l, a, t, a.normed, {{x.qk_raw, qk, SWIRL_FLOAT32}, {at(x.qkv, qk), qkv, dtype_, qk}});
    if (c_.qkv_bias) {
      device_.check(k.bias_forward(device, t, qk, x.qk_raw, qk, SWIRL_FLOAT32, p_.vector(w.qkv_bias)),
                    "bias");
      device_.check(k.bias_forward(device, t, kv, at(x.qkv, qk), qkv, dtype_, p_.vector(w.qkv_bias + qk)),
                    "bias");
    }
    device_.check(k.rmsnorm_forward(device, t, c_.heads, c_.head_dim, x.qk_raw, qk, SWIRL_FLOAT32,
                                    p_.vector(w.q_norm), offset, c_.norm_eps, x.qkv, qkv, dtype_, x.q_rstd),
                  "q norm");
    device_.check(
        k.rmsnorm_forward(device, t, c_.kv_heads, c_.head_dim, x.qk_raw + q, qk, SWIRL_FLOAT32,
                          p_.vector(w.k_norm), offset, c_.norm_eps, at(x.qkv, q), qkv, dtype_, x.k_rstd),
        "k norm");
  } else {
    times_weight(t, qkv, c_.width, a.normed, w.qkv, 0, x.qkv, qkv, dtype_, "q, k, v projection");
    adapt(Group::kQkv, l, a, t, a.normed, {{x.qkv, qkv, dtype_}});
    if (c_.qkv_bias) {
      device_.check(k.bias_forward(device, t, qkv, x.qkv, qkv, dtype_, p_.vector(w.qkv_bias)), "bias");
    }
  }
  device_.check(k.rope(device, t, c_.heads + c_.kv_heads, c_.head_dim, x.qkv, qkv, dtype_, r.position,
                       cosine(l), sine(l), 0),
                "rope");
}

void Model::attend(int32_t l, const Rows& r, const Activations& a, const CacheView* cache) {
  const swirl_kernels& k = device_.kernels();
  swirl_device* device = device_.handle();
  const LayerActivations& x = a.layers[l];
  const LayerOffsets& w = p_.layer(l);
  const int32_t t = r.rows, qkv = c_.qkv_width(), q = c_.q_width(), kv = c_.kv_width();

  void* keys = at(x.stack_qkv, q);
  void* values = at(x.stack_qkv, q + kv);
  int32_t stride = qkv;
  if (cache) {
    keys = at(x.qkv, q);
    values = at(x.qkv, q + kv);
    void *cached_keys = cache->keys[l], *cached_values = cache->values[l];
    device_.check(k.scatter_rows(device, t, kv, r.slot, keys, qkv, cached_keys, kv, dtype_), "cache keys");
    device_.check(k.scatter_rows(device, t, kv, r.slot, values, qkv, cached_values, kv, dtype_),
                  "cache values");
    keys = cached_keys;
    values = cached_values;
    stride = kv;
  }
  const swirl_attention_shape s = attention_shape(l);
  device_.check(k.attention_forward(device, &s, &r.tree, x.qkv, qkv, keys, stride, values, stride,
                                    x.attention, q, x.lse, dtype_),
                "attention");

  const size_t bytes = size_t(t) * c_.width * sizeof(float);
  device_.check(k.copy(device, x.middle, x.input, bytes), "copy");
  float* out = c_.post_norms ? x.attention_out : x.middle;
  times_weight(t, c_.width, q, x.attention, w.output, c_.post_norms ? 0.f : 1.f, out, c_.width, SWIRL_FLOAT32,
               "attention output projection");
  adapt(Group::kOutput, l, a, t, x.attention, {{out, c_.width, SWIRL_FLOAT32}});
  if (c_.output_bias) {
    device_.check(k.bias_forward(device, t, c_.width, out, c_.width, SWIRL_FLOAT32, p_.vector(w.output_bias)),
                  "bias");
  }
  if (c_.post_norms) {
    norm(t, out, w.attention_post_norm, a.wide, SWIRL_FLOAT32, a.rstd);
    device_.check(k.add(device, size_t(t) * c_.width, a.wide, x.middle), "add");
  }
}

void Model::mlp_block(int32_t l, const Rows& r, const Activations& a, float* output) {
  const swirl_kernels& k = device_.kernels();
  swirl_device* device = device_.handle();
  const LayerActivations& x = a.layers[l];
  const int32_t t = r.rows;

  project_gate_up(l, r, a);
  device_.check(k.copy(device, output, x.middle, size_t(t) * c_.width * sizeof(float)), "copy");
  project_down(l, r, a, c_.post_norms ? x.mlp_out : output);
  if (c_.post_norms) {
    norm(t, x.mlp_out, p_.layer(l).mlp_post_norm, a.wide, SWIRL_FLOAT32, a.rstd);
    device_.check(k.add(device, size_t(t) * c_.width, a.wide, output), "add");
  }
}

void Model::project_gate_up(int32_t l, const Rows& r, const Activations& a) {
  const LayerOffsets& w = p_.layer(l);
  const int32_t wide = 2 * c_.intermediate;
  norm(r.rows, a.layers[l].middle, w.mlp_norm, a.normed, dtype_, a.rstd);
  times_weight(r.rows, wide, c_.width, a.normed, w.gate_up, 0, a.layers[l].gate_up, wide, dtype_,
               "gate and up projection");
  adapt(Group::kGateUp, l, a, r.rows, a.normed, {{a.layers[l].gate_up, wide, dtype_}});
}

void Model::project_down(int32_t l, const Rows& r, const Activations& a, float* out) {
  device_.check(device_.kernels().gated_forward(device_.handle(), c_.activation, r.rows, c_.intermediate,
                                                a.layers[l].gate_up, a.gated, dtype_),
                "gated activation");
  times_weight(r.rows, c_.width, c_.intermediate, a.gated, p_.layer(l).down, c_.post_norms ? 0.f : 1.f, out,
               c_.width, SWIRL_FLOAT32, "down projection");
  adapt(Group::kDown, l, a, r.rows, a.gated, {{out, c_.width, SWIRL_FLOAT32}});
}

}  // namespace swirl
