// Shared by the attention kernels: their arguments, the scores, and the choice of a kernel by head size.
#ifndef SWIRL_CUDA_ATTENTION_CUH_
#define SWIRL_CUDA_ATTENTION_CUH_

#include <type_traits>

#include "cuda/attention_products.cuh"
#include "cuda/device.h"
#include "native/kernels/kernels.h"

namespace swirl::cuda {

constexpr float kLog2E = 1.44269504088896340736f;
constexpr float kLn2 = 0.69314718055994530942f;
constexpr int kLargestHead = 256;

// A score s is the product q·k, or with a soft-cap cap · tanh(scale · q·k / cap); the softmax is over
// 2^(factor · s).
struct Scores {
  float softcap;  // 0 = none
  float inner;    // scale / softcap
  float inverse;  // 1 / softcap
  float factor;   // log2 e, times scale without a soft-cap
  float scale;

  explicit Scores(const swirl_attention_shape& shape)
      : softcap(shape.softcap > 0 ? shape.softcap : 0),
        inner(shape.softcap > 0 ? shape.scale / shape.softcap : 0),
        inverse(shape.softcap > 0 ? 1 / shape.softcap : 0),
        factor(shape.softcap > 0 ? kLog2E : shape.scale * kLog2E),
        scale(shape.scale) {}

  __device__ __forceinline__ float of(float dot) const {
    return product(softcap, tanhf(product(dot, inner)));
  }
  // Products into scores, in place.
  template <int kM, int kN>
  __device__ __forceinline__ void apply(float (&score)[kM][kN][4]) const {
    if (softcap == 0) return;
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) score[m][n][i] = of(score[m][n][i]);
  }
  // The derivative of a score by scale · q·k.
  __device__ __forceinline__ float slope(float score) const {
    const float t = score * inverse;
    return fmaf(-t, t, 1.0f);
  }
};

// Arguments of every attention kernel.
template <class T>
struct Attention {
  swirl_tree tree;
  Scores scores;
  const T *q, *k, *v;
  int64_t ldq, ldk, ldv;
  int heads, group, head_dim, window;  // group: query heads per key head
  bool aligned_q, aligned_k, aligned_v;

  Attention(const swirl_attention_shape& shape, const swirl_tree& t, const void* queries, int32_t ld_queries,
            const void* keys, int32_t ld_keys, const void* values, int32_t ld_values)
      : tree(t),
        scores(shape),
        q(static_cast<const T*>(queries)),
        k(static_cast<const T*>(keys)),
        v(static_cast<const T*>(values)),
        ldq(ld_queries),
        ldk(ld_keys),
        ldv(ld_values),
        heads(shape.heads),
        group(shape.heads / shape.kv_heads),
        head_dim(shape.head_dim),
        window(shape.window),
        aligned_q(vectorizes<T>(queries, ld_queries, shape.head_dim)),
        aligned_k(vectorizes<T>(keys, ld_keys, shape.head_dim)),
        aligned_v(vectorizes<T>(values, ld_values, shape.head_dim)) {}
};

// The first position that a row at `position` sees.
__device__ __forceinline__ int first_visible(int position, int window) {
  return window > 0 && position >= window ? position - window + 1 : 0;
}

// Calls body(std::integral_constant<int, kHead>) with the smallest tile width that fits head_dim. (float32 has
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

// Shared memory per block that every GPU since Ampere has: 99 KiB (A10G, L4, L40S, GeForce; an A100 has 163, Hopper
// and the large Blackwells 227).
constexpr size_t kLeastShared = 99 * 1024;

// Tile<T, kHead, roomy> is the shared memory of a block of threads, with the sizes that follow from it. Calls
// body(null pointer to the tile for this GPU): the roomy one if it fits there, else the one that fits every GPU.
// The first pass's sums have the same order in both.
template <template <class, int, bool> class Tile, class T, int kHead, class Body>
swirl_status with_tile(const swirl_device* device, const Body& body) {
  using Roomy = Tile<T, kHead, true>;
  if constexpr (sizeof(Roomy) > kLeastShared) {
    using Small = Tile<T, kHead, false>;
    static_assert(sizeof(Small) <= kLeastShared, "no GPU may be without a tile");
    if (sizeof(Roomy) > device->shared_per_block) return body(static_cast<Small*>(nullptr));
  }
  return body(static_cast<Roomy*>(nullptr));
}

// Whether this compilation is for a GPU that never uses the small tiles: Hopper's own machine code.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
template <class Tile>
constexpr bool kNeverRuns = !Tile::kRoomy;
#else
template <class Tile>
constexpr bool kNeverRuns = false;
#endif

// Refuses arguments that no kernel here supports.
swirl_status check_attention(swirl_device*, const char* op, const swirl_attention_shape&);
// Refuses more query heads per key head than a tile of `queries` holds.
swirl_status check_tile(swirl_device*, const char* op, const swirl_attention_shape&, int queries);

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_ATTENTION_CUH_
