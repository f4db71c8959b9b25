#include "model.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "error.h"

namespace swirl {
namespace {

std::string shape(int64_t a, int64_t b, int64_t c) {
  return "[" + std::to_string(a) + ", " + std::to_string(b) + ", " + std::to_string(c) + "]";
}

}  // namespace

Model::Model(Device& device, const ModelConfig& config, swirl_dtype dtype, Parameters& parameters)
    : device_(device),
      c_(config),
      dtype_(dtype),
      p_(parameters),
      rope_(device, "rotary tables"),
      packed_(device, "packed weights") {}

Activations Model::plan(Arena& arena, int32_t stack, int32_t rows, Keep keep, const Adapter* adapter) const {
  const size_t t = rows, d = size_of(dtype_);
  const bool backward = keeps_for_backward(keep);
  // Rows of activations that are kept from this level on.
  const auto kept = [&](Keep level) { return keep >= level ? size_t(stack) : t; };
  const size_t input = kept(Keep::kLayers), most = kept(Keep::kAllButMlp), gate_up = kept(Keep::kAll);

  Activations a;
  a.keep = keep;
  a.adapter = adapter;
  a.layers.resize(c_.layers);
  for (int32_t l = 0; l < c_.layers; ++l) {
    LayerActivations& x = a.layers[l];
    if (l > 0) x = a.layers[0];  // later layers have their own
    if (l == 0 || backward) x.input = arena.take<float>(input * c_.width);
    if (l == 0 || keep >= Keep::kAllButMlp) {
      if (c_.qk_norm) {
        x.qk_raw = arena.take<float>(most * (c_.q_width() + c_.kv_width()));
        x.q_rstd = arena.take<float>(most * c_.heads);
        x.k_rstd = arena.take<float>(most * c_.kv_heads);
      }
      x.attention = arena.take_bytes(most * c_.q_width() * d);
      x.lse = arena.take<float>(most * c_.heads);
      if (c_.post_norms) {
        x.attention_out = arena.take<float>(most * c_.width);
        x.mlp_out = arena.take<float>(most * c_.width);
      }
      x.middle = arena.take<float>(most * c_.width);
    }
    // Small, so kept at every level.
    for (int32_t g = 0; adapter && (l == 0 || backward) && g < kGroups; ++g) {
      const int32_t ranks = adapter->ranks(static_cast<Group>(g));
      x.low[g] = ranks > 0 ? arena.take_bytes(input * ranks * d) : nullptr;
    }
    if (l == 0 || keep == Keep::kAll) x.gate_up = arena.take_bytes(gate_up * 2 * c_.intermediate * d);
    if (l == 0 || keep != Keep::kNothing) {
      x.qkv = x.stack_qkv =
          arena.take_bytes((keep == Keep::kNothing ? t : size_t(stack)) * c_.qkv_width() * d);
    }
  }
  a.normed = arena.take_bytes(t * c_.width * d);
  a.gated = arena.take_bytes(t * c_.intermediate * d);
  a.rstd = arena.take<float>(t);
  a.wide = arena.take<float>(t * c_.width);
  int32_t ranks = 0;
  for (int32_t g = 0; adapter && g < kGroups; ++g) {
    ranks = std::max(ranks, adapter->ranks(static_cast<Group>(g)));
  }
  if (ranks > 0) a.low = arena.take<float>(t * ranks);
  a.output = backward ? arena.take<float>(t * c_.width) : a.layers[0].input;
  if (backward) {
    for (LayerActivations& x : a.layers) {
      x.key_gradient = arena.take<float>(size_t(stack) * c_.kv_width());
      x.value_gradient = arena.take<float>(size_t(stack) * c_.kv_width());
    }
    a.gradient = arena.take<float>(size_t(stack) * c_.width);
    a.gradient_d = arena.take_bytes(t * c_.width * d);
    a.dgate_up = keep == Keep::kAll ? arena.take_bytes(t * 2 * c_.intermediate * d) : a.layers[0].gate_up;
    a.dgated = arena.take_bytes(t * c_.intermediate * d);
    a.dqkv = arena.take_bytes(t * c_.qkv_width() * d);
    a.dattention = arena.take_bytes(t * c_.q_width() * d);
    if (ranks > 0) a.dlow = arena.take_bytes(t * ranks * d);
  }
  return a;
}

Activations Model::above(const Activations& from, int32_t base) const {
  Activations a = from;
  if (base == 0 || a.keep == Keep::kNothing) return a;
  const auto rise = [&](auto*& pointer, int64_t width) {
    if (!pointer) return;
    if constexpr (std::is_same_v<decltype(pointer), float*&>) {
      pointer += base * width;
    } else {
      pointer = at(pointer, base * width);
    }
  };
  for (LayerActivations& x : a.layers) {
    rise(x.qkv, c_.qkv_width());
    if (a.keep == Keep::kKeys) continue;
    rise(x.input, c_.width);
    for (int32_t g = 0; a.adapter && g < kGroups; ++g) {
      rise(x.low[g], a.adapter->ranks(static_cast<Group>(g)));
    }
    if (a.keep == Keep::kLayers) continue;
    rise(x.qk_raw, c_.q_width() + c_.kv_width());
    rise(x.q_rstd, c_.heads);
    rise(x.k_rstd, c_.kv_heads);
    rise(x.attention, c_.q_width());
    rise(x.lse, c_.heads);
    rise(x.attention_out, c_.width);
    rise(x.middle, c_.width);
    rise(x.mlp_out, c_.width);
    if (a.keep == Keep::kAll) rise(x.gate_up, 2 * int64_t(c_.intermediate));
  }
  rise(a.gradient, c_.width);
  return a;
}

int32_t Model::grown(int32_t positions) const {
  if (positions <= positions_) return positions_;
  return std::min(std::max(positions, positions_ * 2), std::max(positions, c_.max_positions));
}

uint64_t Model::table_size(int32_t positions) const {
  return 4 * sizeof(float) * uint64_t(positions) * (c_.head_dim / 2);
}

void Model::reach_position(int32_t positions) {
  if (positions <= positions_) return;
  positions = grown(positions);
  const int32_t half = c_.head_dim / 2;
  const size_t table = size_t(positions) * half;
  std::vector<float> host(table * 4);
  const std::vector<double>* frequencies[] = {&c_.rope_inverse_frequencies,
                                              &c_.rope_inverse_frequencies_sliding};
  for (int f = 0; f < 2; ++f) {
    float* cosine = host.data() + 2 * f * table;
    float* sine = cosine + table;
    for (int32_t p = 0; p < positions; ++p) {
      for (int32_t i = 0; i < half; ++i) {
        // Angles in float32, as every published checkpoint was trained.
        const float angle = static_cast<float>(p) * static_cast<float>((*frequencies[f])[i]);
        cosine[size_t(p) * half + i] = std::cos(angle) * c_.rope_attention_factor;
        sine[size_t(p) * half + i] = std::sin(angle) * c_.rope_attention_factor;
      }
    }
  }
  positions_ = 0;  // until there is memory
  rope_.resize(host.size() * sizeof(float));
  device_.upload(rope_.as<float>(), host.data(), rope_.bytes());
  positions_ = positions;
}

const float* Model::cosine(int32_t l) const {
  const size_t table = size_t(positions_) * (c_.head_dim / 2);
  return rope_.as<float>() + (c_.sliding_layers[l] ? 2 * table : 0);
}

const float* Model::sine(int32_t l) const { return cosine(l) + size_t(positions_) * (c_.head_dim / 2); }

swirl_attention_shape Model::attention_shape(int32_t l) const {
  return {c_.heads,           c_.kv_heads,         c_.head_dim, c_.sliding_layers[l] ? c_.sliding_window : 0,
          c_.attention_scale, c_.attention_softcap};
}

void* Model::at(void* base, int64_t elements) const {
  return static_cast<uint8_t*>(base) + elements * static_cast<int64_t>(size_of(dtype_));
}

void Model::product(bool ta, bool tb, int32_t m, int32_t n, int32_t k, const void* a, int32_t lda,
                    const void* b, int32_t ldb, float beta, void* c, int32_t ldc, swirl_dtype c_type,
                    const char* what) {
  const swirl_status status =
      device_.kernels().gemm(device_.handle(), ta, tb, m, n, k, dtype_, a, lda, b, ldb, beta, c, ldc, c_type);
  if (status != SWIRL_OK) device_.check(status, what, shape(m, n, k));
}

void Model::times_weight(int32_t rows, int32_t n, int32_t k, const void* x, int64_t weight, float beta,
                         void* y, int32_t ldy, swirl_dtype y_type, const char* what) {
  if (!packed_) {
    product(false, true, rows, n, k, x, k, p_.matrix(weight), k, beta, y, ldy, y_type, what);
    return;
  }
  const swirl_status status =
      device_.kernels().gemm_packed(device_.handle(), rows, n, k, dtype_, x, k,
                                    packed_.as<uint8_t>() + packed_at_.at(weight), beta, y, ldy, y_type);
  if (status != SWIRL_OK) device_.check(status, what, shape(rows, n, k));
}

template <class Visit>
void Model::each_matrix(const Visit& visit) const {
  const int32_t width = c_.width, qk = c_.q_width() + c_.kv_width();
  for (int32_t l = 0; l < c_.layers; ++l) {
    const LayerOffsets& w = p_.layer(l);
    if (c_.qk_norm) {
      visit(w.qkv, qk, width);
      visit(w.qkv + int64_t(qk) * width, c_.kv_width(), width);
    } else {
      visit(w.qkv, c_.qkv_width(), width);
    }
    visit(w.output, width, c_.q_width());
    visit(w.gate_up, 2 * c_.intermediate, width);
    visit(w.down, width, c_.intermediate);
  }
  visit(p_.head(), c_.vocab, width);
}

void Model::pack(uint64_t max_bytes) {
  const swirl_kernels& k = device_.kernels();
  if (packed_ || !k.gemm_packed) return;
  uint64_t bytes = 0;
  bool every = true;
  packed_at_.clear();
  each_matrix([&](int64_t weight, int32_t n, int32_t depth) {
    const size_t needed = k.packed_bytes(device_.handle(), n, depth, dtype_);
    every = every && needed > 0;
    packed_at_[weight] = bytes;
    bytes += (needed + 63) / 64 * 64;
  });
  if (!every || bytes > max_bytes) return;
  packed_.resize(bytes);
  each_matrix([&](int64_t weight, int32_t n, int32_t depth) {
    device_.check(k.pack(device_.handle(), n, depth, dtype_, p_.matrix(weight), depth,
                         packed_.as<uint8_t>() + packed_at_.at(weight)),
                  "pack");
  });
}

void Model::norm(int32_t rows, const float* x, int64_t weight, void* y, swirl_dtype y_type, float* rstd) {
  device_.check(device_.kernels().rmsnorm_forward(
                    device_.handle(), rows, 1, c_.width, x, c_.width, SWIRL_FLOAT32, p_.vector(weight),
                    c_.norm_offset ? 1.f : 0.f, c_.norm_eps, y, c_.width, y_type, rstd),
                "rmsnorm");
}

void Model::norm_backward(int32_t rows, const float* x, int64_t weight, float* rstd, const void* dy,
                          swirl_dtype dy_type, void* dx, swirl_dtype dx_type, bool accumulate,
                          float* dweight) {
  device_.check(
      device_.kernels().rmsnorm_backward(device_.handle(), rows, 1, c_.width, x, c_.width, SWIRL_FLOAT32,
                                         p_.vector(weight), c_.norm_offset ? 1.f : 0.f, rstd, dy, c_.width,
                                         dy_type, dx, c_.width, dx_type, accumulate, dweight),
      "rmsnorm backward");
}

void Model::final_norm(int32_t rows, const float* x, void* y, float* rstd) {
  norm(rows, x, p_.final_norm(), y, dtype_, rstd);
}

void Model::logits(int32_t rows, const void* y, float* out) {
  times_weight(rows, c_.vocab, c_.width, y, p_.head(), 0, out, c_.vocab, SWIRL_FLOAT32,
               "language-model head");
}

}  // namespace swirl
