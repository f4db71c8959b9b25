// rope: rotary position embedding in place, the two halves of a head forming the pairs (i, i + head_dim / 2).
//
// 4 bytes per element in bfloat16 (read and written); the tables' rows come from cache. Lower bound on time: bytes /
// bandwidth.
#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    rope_kernel(int64_t rows, int32_t heads, int32_t half, T* x, int64_t ld, const int32_t* positions,
                const float* cosine, const float* sine, float sign, bool aligned) {
  const int32_t packs = (half + kPack - 1) / kPack;
  over_plane(rows, static_cast<int64_t>(heads) * packs, [&](int64_t row, int64_t item) {
    const int32_t head = static_cast<int32_t>(item) / packs;
    const int32_t at = (static_cast<int32_t>(item) - head * packs) * kPack, left = half - at;
    T* low = x + row * ld + static_cast<int64_t>(head) * 2 * half + at;
    T* high = low + half;
    const int64_t angle = static_cast<int64_t>(positions[row]) * half + at;
    float a[kPack], b[kPack], c[kPack], s[kPack];
    load_pack(low, left, aligned, a);
    load_pack(high, left, aligned, b);
    load_pack(cosine + angle, left, aligned, c);
    load_pack(sine + angle, left, aligned, s);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const float turn = s[i] * sign, keep = a[i];
      a[i] = fmaf(keep, c[i], -__fmul_rn(b[i], turn));
      b[i] = fmaf(keep, turn, __fmul_rn(b[i], c[i]));
    }
    store_pack(low, left, aligned, a);
    store_pack(high, left, aligned, b);
  });
}

}  // namespace

swirl_status rope(swirl_device* device, int32_t rows, int32_t heads, int32_t head_dim, void* x, int32_t ld,
                  swirl_dtype dtype, const int32_t* positions, const float* cosine, const float* sine,
                  int inverse) {
  if (head_dim % 2 != 0)
    return fail(device, SWIRL_INVALID, "rope: head_dim is %d and must be even", head_dim);
  const int32_t half = head_dim / 2;
  const Plane p = plane(device, rows, heads * ceil_div(half, kPack));
  return with_type(dtype, [&](auto* null) {
    auto* data = static_cast<decltype(null)>(x);
    const bool aligned = aligned_rows(data, ld) && aligned_rows(data, half) && aligned_rows(cosine, half) &&
                         aligned_rows(sine, half);
    return launch(device, "rope", rope_kernel<std::remove_pointer_t<decltype(null)>>, p.grid, p.block, 0,
                  rows, heads, half, data, ld, positions, cosine, sine, inverse ? -1.0f : 1.0f, aligned);
  });
}

}  // namespace swirl::cuda
