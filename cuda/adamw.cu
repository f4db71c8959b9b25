// adamw: one step as torch.optim.AdamW defines it, in one pass: decoupled decay first, then m and v, then
// weight -= lr / correction1 · m / (√v / √correction2 + eps). adamw_check: the same step, not written; it finds the
// first element that would not stay finite.
//
// 30 bytes per parameter with a bfloat16 copy: weight, m and v read and written, the gradient read, the copy
// written; 28 without one; the check reads 16. 15 operations: bandwidth is the bound.
#include "cuda/adamw_step.cuh"
#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

__device__ __forceinline__ void load(int64_t at, int64_t left, bool aligned, const float* weight,
                                     const float* gradient, const float* m, const float* v,
                                     AdamwElements& x) {
  load_pack(gradient + at, left, aligned, x.gradient);
  load_pack(m + at, left, aligned, x.mean);
  load_pack(v + at, left, aligned, x.square);
  load_pack(weight + at, left, aligned, x.weight);
}

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    adamw_kernel(int64_t count, AdamwConstants c, float* weight, const float* gradient, float* m, float* v,
                 T* compute, bool aligned) {
  over_packs(1, count, [&](int64_t, int64_t at, int64_t left) {
    AdamwElements x;
    load(at, left, aligned, weight, gradient, m, v, x);
    adamw_move(c, x);
    store_pack(m + at, left, aligned, x.mean);
    store_pack(v + at, left, aligned, x.square);
    store_pack(weight + at, left, aligned, x.weight);
    if (compute != nullptr) store_pack(compute + at, left, aligned, x.weight);
  });
}

constexpr float kLargest = 0x1.ffp127f;  // bfloat16 rounds this and larger ones to infinity

// broken: see first_broken.
__global__ void __launch_bounds__(kPackThreads)
    adamw_check_kernel(int64_t count, AdamwConstants c, const float* weight, const float* gradient,
                       const float* m, const float* v, float* broken, bool aligned) {
  const int64_t begin = blockIdx.x * kPiece, end = begin + kPiece < count ? begin + kPiece : count;
  float found = 0;
  for (int64_t at = begin + threadIdx.x * kPack; at < end; at += kPackThreads * kPack) {
    AdamwElements x;
    load(at, end - at, aligned, weight, gradient, m, v, x);
    adamw_move(c, x);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const bool good =
          fabsf(x.weight[i]) < kLargest && fabsf(x.mean[i]) < INFINITY && x.square[i] < INFINITY;
      if (!good) found = fmaxf(found, static_cast<float>(begin + kPiece - at - i));
    }
  }
  found = block_max<kPackThreads>(found);
  if (threadIdx.x == 0) broken[blockIdx.x] = found;
}

}  // namespace

swirl_status adamw(swirl_device* device, size_t count, const swirl_adamw* o, float* weight,
                   const float* gradient, float* m, float* v, void* compute, swirl_dtype dtype) {
  if (compute == weight) compute = nullptr;
  const AdamwConstants c = adamw_constants(*o);
  const Plane p = plane(device, 1, ceil_div(static_cast<int64_t>(count), kPack));
  return with_type(dtype, [&](auto* null) {
    auto* copy = static_cast<decltype(null)>(compute);
    const bool aligned = aligned_rows(weight, 0) && aligned_rows(gradient, 0) && aligned_rows(m, 0) &&
                         aligned_rows(v, 0) && aligned_rows(copy, 0);
    return launch(device, "adamw", adamw_kernel<std::remove_pointer_t<decltype(null)>>, p.grid, p.block, 0,
                  count, c, weight, gradient, m, v, copy, aligned);
  });
}

swirl_status adamw_check(swirl_device* device, size_t count, const swirl_adamw* o, const float* weight,
                         const float* gradient, const float* m, const float* v, int64_t* host_first) {
  const bool aligned =
      aligned_rows(weight, 0) && aligned_rows(gradient, 0) && aligned_rows(m, 0) && aligned_rows(v, 0);
  return first_broken(device, count, host_first, [&](dim3 grid, float* broken) {
    return launch(device, "adamw_check", adamw_check_kernel, grid, dim3(kPackThreads), 0, count,
                  adamw_constants(*o), weight, gradient, m, v, broken, aligned);
  });
}

}  // namespace swirl::cuda
