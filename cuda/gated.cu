// gated_forward, gated_backward: activation(gate) · up and its gradient.
// silu(x) = x · σ(x); gelu_tanh(x) = x · ½(1 + tanh(√(2/π)(x + 0.044715x³))), written as x · σ(2 · …).
//
// In bfloat16 an output element moves 6 bytes forward (gate, up, out) and 10 backward (gate, up and dout read,
// both gradients written); about 30 and 40 instructions. Lower bound on time: bytes / bandwidth.
#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// The activation and its derivative.
template <swirl_activation kActivation>
__device__ __forceinline__ float activate(float x, float* derivative) {
  if (kActivation == SWIRL_SILU) {
    const float s = sigmoid(x), y = x * s;
    *derivative = fmaf(y, 1.0f - s, s);
    return y;
  }
  const float square = fminf(x * x, 1e4f);  // past it the sigmoid is 0 or 1, and inf · 0 must not arise
  const float s = sigmoid(1.5957691216057308f * x * fmaf(square, 0.044715f, 1.0f)), y = x * s;
  const float slope = 1.5957691216057308f * fmaf(square, 0.134145f, 1.0f);
  *derivative = fmaf(y * (1.0f - s), slope, s);
  return y;
}

template <swirl_activation kActivation, class T>
__global__ void __launch_bounds__(kPackThreads)
    gated_kernel(int64_t rows, int64_t width, const T* gate_up, T* out, bool aligned) {
  over_packs(rows, width, [&](int64_t row, int64_t at, int64_t left) {
    const T* from = gate_up + row * 2 * width + at;
    float gate[kPack], up[kPack], derivative;
    load_pack(from, left, aligned, gate);
    load_pack(from + width, left, aligned, up);
#pragma unroll
    for (int i = 0; i < kPack; ++i) up[i] *= activate<kActivation>(gate[i], &derivative);
    store_pack(out + row * width + at, left, aligned, up);
  });
}

template <swirl_activation kActivation, class T>
__global__ void __launch_bounds__(kPackThreads)
    gated_gradient_kernel(int64_t rows, int64_t width, const T* gate_up, const T* dout, T* dgate_up,
                          bool aligned) {
  over_packs(rows, width, [&](int64_t row, int64_t at, int64_t left) {
    const T* from = gate_up + row * 2 * width + at;
    T* to = dgate_up + row * 2 * width + at;
    float gate[kPack], up[kPack], d[kPack];
    load_pack(from, left, aligned, gate);
    load_pack(from + width, left, aligned, up);
    load_pack(dout + row * width + at, left, aligned, d);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      float derivative;
      const float y = activate<kActivation>(gate[i], &derivative);
      gate[i] = d[i] * up[i] * derivative;
      up[i] = d[i] * y;
    }
    store_pack(to, left, aligned, gate);
    store_pack(to + width, left, aligned, up);
  });
}

}  // namespace

swirl_status gated_forward(swirl_device* device, swirl_activation activation, int32_t rows, int32_t width,
                           const void* gate_up, void* out, swirl_dtype dtype) {
  const Plane p = plane(device, rows, ceil_div(width, kPack));
  return with_type(dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    const T* from = static_cast<const T*>(gate_up);
    T* to = static_cast<T*>(out);
    return launch(device, "gated_forward",
                  activation == SWIRL_SILU ? gated_kernel<SWIRL_SILU, T> : gated_kernel<SWIRL_GELU_TANH, T>,
                  p.grid, p.block, 0, rows, width, from, to,
                  aligned_rows(from, width) && aligned_rows(to, width));
  });
}

swirl_status gated_backward(swirl_device* device, swirl_activation activation, int32_t rows, int32_t width,
                            const void* gate_up, const void* dout, void* dgate_up, swirl_dtype dtype) {
  const Plane p = plane(device, rows, ceil_div(width, kPack));
  return with_type(dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    const T* from = static_cast<const T*>(gate_up);
    const T* gradient = static_cast<const T*>(dout);
    T* to = static_cast<T*>(dgate_up);
    return launch(device, "gated_backward",
                  activation == SWIRL_SILU ? gated_gradient_kernel<SWIRL_SILU, T>
                                           : gated_gradient_kernel<SWIRL_GELU_TANH, T>,
                  p.grid, p.block, 0, rows, width, from, gradient, to,
                  aligned_rows(from, width) && aligned_rows(gradient, width) && aligned_rows(to, width));
  });
}

}  // namespace swirl::cuda
