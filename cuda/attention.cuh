// What the attention kernels share: their arguments, the sizes of their tiles, and the choice by head size.
#ifndef SWIRL_CUDA_ATTENTION_CUH_
#define SWIRL_CUDA_ATTENTION_CUH_

#include <type_traits>

#include "cuda/attention_path.cuh"
#include "cuda/attention_products.cuh"
#include "cuda/device.h"
#include "native/kernels/kernels.h"

namespace swirl::cuda {

constexpr float kLog2E = 1.44269504088896340736f;
constexpr float kLn2 = 0.69314718055994530942f;
constexpr int kLargestHead = 256;

// Scores in units where the softmax is a power of two: 2^(factor · score - …). `score` is s, the product q·k,
// or with a soft-cap cap · tanh(scale · s / cap).
struct Scores {
  float softcap;  // 0 = none
  float inner;    // scale / softcap
  float factor;   // log2 e, times scale without a soft-cap

  explicit Scores(const swirl_attention_shape& shape)
      : softcap(shape.softcap > 0 ? shape.softcap : 0),
        inner(shape.softcap > 0 ? shape.scale / shape.softcap : 0),
        factor(shape.softcap > 0 ? kLog2E : shape.scale * kLog2E) {}

  __device__ __forceinline__ float of(float s) const {
    return softcap > 0 ? product(softcap, tanhf(product(s, inner))) : s;
  }
  // d score / d (scale · q·k), from the score.
  __device__ __forceinline__ float slope(float score) const {
    if (softcap == 0) return 1;
    const float t = score / softcap;
    return fmaf(-t, t, 1.0f);
  }
};

// Bytes of one tile of `rows` rows in shared memory.
template <class T, int kHead>
constexpr size_t tile_bytes(int rows) {
  return static_cast<size_t>(rows) * kRowStride<T, kHead> * sizeof(T);
}

// Calls body(std::integral_constant<int, kHead>) with the least tile width that holds head_dim. (float32 has
// one width fewer: its kernels are the reference, not the fast path.)
template <class T, class Body>
swirl_status with_head(int head_dim, const Body& body) {
  if (head_dim <= 32) return body(std::integral_constant<int, 32>());
  if (head_dim <= 64) return body(std::integral_constant<int, 64>());
  if constexpr (!std::is_same_v<T, float>) {
    if (head_dim <= 96) return body(std::integral_constant<int, 96>());
  }
  if (head_dim <= 128) return body(std::integral_constant<int, 128>());
  return body(std::integral_constant<int, kLargestHead>());
}

// Refuses what no kernel here computes.
swirl_status check_attention(swirl_device*, const char* op, const swirl_attention_shape&);
// Refuses more query heads of a key head than a tile of `queries` holds.
swirl_status check_group(swirl_device*, const char* op, const swirl_attention_shape&, int queries);

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_ATTENTION_CUH_
