// adamw_compact: adamw's step on a bfloat16 weight and moments in 8 bits, the formats of compact_state.h. Four
// neighboring threads hold a block of 32 elements and share the maximum of its moments.
// adamw_compact_check: the same step, not written; it finds the first element that would not stay finite.
//
// 12.1 bytes per parameter: the weight and both moments read and written, the gradient read. The random bits take about
// 25 integer operations.
#include "cuda/adamw_step.cuh"
#include "cuda/ops.h"
#include "cuda/pack.cuh"
#include "native/kernels/compact_state.h"

namespace swirl::cuda {
namespace {

static_assert(kMomentBlock == 4 * kPack, "four threads hold a block");

// Eight codes as two words, little-endian.
__device__ __forceinline__ void load_codes(const uint8_t* from, int64_t left, bool aligned,
                                           uint8_t (&to)[kPack]) {
  if (aligned && left >= kPack) {
    const uint2 words = *reinterpret_cast<const uint2*>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      to[i] = static_cast<uint8_t>(words.x >> (8 * i));
      to[4 + i] = static_cast<uint8_t>(words.y >> (8 * i));
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kPack; ++i) to[i] = i < left ? from[i] : uint8_t(0);
}
__device__ __forceinline__ void store_codes(uint8_t* to, int64_t left, bool aligned,
                                            const uint8_t (&from)[kPack]) {
  if (aligned && left >= kPack) {
    uint2 words = make_uint2(0, 0);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      words.x |= static_cast<uint32_t>(from[i]) << (8 * i);
      words.y |= static_cast<uint32_t>(from[4 + i]) << (8 * i);
    }
    *reinterpret_cast<uint2*>(to) = words;
    return;
  }
#pragma unroll
  for (int i = 0; i < kPack; ++i)
    if (i < left) to[i] = from[i];
}

// The pack at `at`, padded with zeros. `left`: elements from there to the end, may be below 0.
__device__ __forceinline__ void load(int64_t at, int64_t left, bool aligned, const __nv_bfloat16* weight,
                                     const float* gradient, const swirl_compact_moments& s,
                                     AdamwElements& x) {
  load_pack(weight + at, left, aligned, x.weight);
  load_pack(gradient + at, left, aligned, x.gradient);
  const uint8_t m_code = left > 0 ? s.m_scale[at / kMomentBlock] : uint8_t(0);
  const uint8_t v_code = left > 0 ? s.v_scale[at / kMomentBlock] : uint8_t(0);
  const float m_scale = scale_value(m_code), v_scale = scale_value(v_code);
  uint8_t m[kPack], v[kPack];
  load_codes(s.m + at, left, aligned, m);
  load_codes(s.v + at, left, aligned, v);
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    x.mean[i] = first_moment(m[i], m_scale);
    x.square[i] = second_moment(v[i], v_scale);
  }
}

// The maximum over the four threads of a block. All lanes of the warp call it.
__device__ __forceinline__ float block_largest(float x) {
  x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, 1));
  return fmaxf(x, __shfl_xor_sync(kAllLanes, x, 2));
}

// packs: number of the tensor's packs, rounded up to whole warps, so that every lane of a warp takes part in the
// maxima.
__global__ void __launch_bounds__(kPackThreads)
    adamw_compact_kernel(int64_t count, int64_t packs, AdamwConstants c, uint64_t key, __nv_bfloat16* weight,
                         const float* gradient, swirl_compact_moments s, bool aligned) {
  over_plane(1, packs, [&](int64_t, int64_t pack) {
    const int64_t at = pack * kPack, left = count - at;
    AdamwElements x;
    load(at, left, aligned, weight, gradient, s, x);
    adamw_move(c, x);
    float mean = 0, square = 0;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      mean = fmaxf(mean, fabsf(x.mean[i]));
      square = fmaxf(square, x.square[i]);
    }
    const uint8_t m_scale = moment_scale(first_moment_format(), block_largest(mean));
    const uint8_t v_scale = moment_scale(second_moment_format(), block_largest(square));
    __syncwarp();  // all four have read the scales that the first of them overwrites
    if (left <= 0) return;
    if (at % kMomentBlock == 0) {
      s.m_scale[at / kMomentBlock] = m_scale;
      s.v_scale[at / kMomentBlock] = v_scale;
    }
    const float m_inverse = scale_inverse(m_scale), v_inverse = scale_inverse(v_scale);
    const RoundingKeys keys = rounding_keys(key, static_cast<uint32_t>(at >> 32));
    uint8_t m[kPack], v[kPack];
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const RoundingBits random = rounding_bits(keys, static_cast<uint32_t>(at) + i);
      m[i] = first_moment_code(x.mean[i], m_inverse, random.first);
      v[i] = second_moment_code(x.square[i], v_inverse, random.second);
      x.weight[i] = float_of(rounded_weight(x.weight[i], random.weight));
    }
    store_codes(s.m + at, left, aligned, m);
    store_codes(s.v + at, left, aligned, v);
    store_pack(weight + at, left, aligned, x.weight);
  });
}

// broken: see first_broken.
__global__ void __launch_bounds__(kPackThreads)
    adamw_compact_check_kernel(int64_t count, AdamwConstants c, const __nv_bfloat16* weight,
                               const float* gradient, swirl_compact_moments s, float* broken, bool aligned) {
  const int64_t begin = blockIdx.x * kPiece, end = begin + kPiece < count ? begin + kPiece : count;
  float found = 0;
  for (int64_t at = begin + threadIdx.x * kPack; at < end; at += kPackThreads * kPack) {
    AdamwElements x;
    load(at, end - at, aligned, weight, gradient, s, x);
    adamw_move(c, x);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const bool good = fabsf(x.weight[i]) <= kLargestBfloat16 && fabsf(x.mean[i]) <= kLargestMoment &&
                        x.square[i] <= kLargestMoment;
      if (!good) found = fmaxf(found, static_cast<float>(begin + kPiece - at - i));
    }
  }
  found = block_max<kPackThreads>(found);
  if (threadIdx.x == 0) broken[blockIdx.x] = found;
}

bool all_aligned(const __nv_bfloat16* weight, const float* gradient, const swirl_compact_moments& s) {
  return aligned_rows(weight, 0) && aligned_rows(gradient, 0) && aligned_rows(s.m, 0) && aligned_rows(s.v, 0);
}

}  // namespace

swirl_status adamw_compact(swirl_device* device, size_t count, const swirl_adamw* o,
                           const swirl_rounding* rounding, void* weight, const float* gradient,
                           const swirl_compact_moments* s) {
  auto* w = static_cast<__nv_bfloat16*>(weight);
  const int64_t packs = ceil_div(ceil_div(static_cast<int64_t>(count), kPack), kWarp) * kWarp;
  const Plane p = plane(device, 1, packs);
  return launch(device, "adamw_compact", adamw_compact_kernel, p.grid, p.block, 0, count, packs,
                adamw_constants(*o), rounding_key(*rounding), w, gradient, *s, all_aligned(w, gradient, *s));
}

swirl_status adamw_compact_check(swirl_device* device, size_t count, const swirl_adamw* o, const void* weight,
                                 const float* gradient, const swirl_compact_moments* s, int64_t* host_first) {
  const auto* w = static_cast<const __nv_bfloat16*>(weight);
  return first_broken(device, count, host_first, [&](dim3 grid, float* broken) {
    return launch(device, "adamw_compact_check", adamw_compact_check_kernel, grid, dim3(kPackThreads), 0,
                  count, adamw_constants(*o), w, gradient, *s, broken, all_aligned(w, gradient, *s));
  });
}

}  // namespace swirl::cuda
