// adamw: one step as torch.optim.AdamW defines it, in one pass: decoupled decay first, then m and v, then
// weight -= lr / correction1 · m / (√v / √correction2 + eps). adamw_check: the same step, not written; it finds the
// first element that would not stay finite.
//
// Constants are formed in float64 and rounded once, as the CPU does; every element goes through the same
// rounded operations in the same order as there.
//
// 30 bytes a parameter with a bfloat16 copy: weight, m and v read and written, the gradient read, the copy
// written; 28 without one; the check reads 16. 15 operations: bandwidth is the bound.
#include <cmath>
#include <vector>

#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

struct Constants {
  float decay, scale, mix1, keep2, mix2, root, eps, step;
};

struct Elements {
  float weight[kPack], gradient[kPack], mean[kPack], square[kPack];
};

__device__ __forceinline__ void load(int64_t at, int64_t left, bool aligned, const float* weight,
                                     const float* gradient, const float* m, const float* v, Elements& x) {
  load_pack(gradient + at, left, aligned, x.gradient);
  load_pack(m + at, left, aligned, x.mean);
  load_pack(v + at, left, aligned, x.square);
  load_pack(weight + at, left, aligned, x.weight);
}

__device__ __forceinline__ void move(const Constants& c, Elements& x) {
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    const float slope = __fmul_rn(x.gradient[i], c.scale);
    x.mean[i] = fmaf(__fsub_rn(slope, x.mean[i]), c.mix1, x.mean[i]);
    x.square[i] = fmaf(x.square[i], c.keep2, __fmul_rn(__fmul_rn(slope, slope), c.mix2));
    const float denominator = sqrtf(x.square[i]) / c.root + c.eps;
    x.weight[i] = fmaf(c.step, x.mean[i] / denominator, __fmul_rn(x.weight[i], c.decay));
  }
}

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    adamw_kernel(int64_t count, Constants c, float* weight, const float* gradient, float* m, float* v,
                 T* compute, bool aligned) {
  over_packs(1, count, [&](int64_t, int64_t at, int64_t left) {
    Elements x;
    load(at, left, aligned, weight, gradient, m, v, x);
    move(c, x);
    store_pack(m + at, left, aligned, x.mean);
    store_pack(v + at, left, aligned, x.square);
    store_pack(weight + at, left, aligned, x.weight);
    if (compute != nullptr) store_pack(compute + at, left, aligned, x.weight);
  });
}

constexpr int64_t kPiece = 65536;        // elements of a block of the check; a float holds every place in one
constexpr float kLargest = 0x1.ffp127f;  // bfloat16 rounds this and what is larger to infinity

// broken[block]: place of its first element that would not stay finite, counted from the end of its piece
// (kPiece for element 0); 0 where there is none.
__global__ void __launch_bounds__(kPackThreads)
    adamw_check_kernel(int64_t count, Constants c, const float* weight, const float* gradient, const float* m,
                       const float* v, float* broken, bool aligned) {
  const int64_t begin = blockIdx.x * kPiece, end = begin + kPiece < count ? begin + kPiece : count;
  float found = 0;
  for (int64_t at = begin + threadIdx.x * kPack; at < end; at += kPackThreads * kPack) {
    Elements x;
    load(at, end - at, aligned, weight, gradient, m, v, x);
    move(c, x);
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

Constants constants(const swirl_adamw& o) {
  return {static_cast<float>(1 - o.lr * o.weight_decay),
          static_cast<float>(o.gradient_scale),
          static_cast<float>(1 - o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1 - o.beta2),
          static_cast<float>(std::sqrt(o.bias_correction2)),
          static_cast<float>(o.eps),
          static_cast<float>(-o.lr / o.bias_correction1)};
}

}  // namespace

swirl_status adamw(swirl_device* device, size_t count, const swirl_adamw* o, float* weight,
                   const float* gradient, float* m, float* v, void* compute, swirl_dtype dtype) {
  if (compute == weight) compute = nullptr;
  const Constants c = constants(*o);
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
  *host_first = -1;
  if (count == 0) return SWIRL_OK;
  const int64_t pieces = ceil_div(static_cast<int64_t>(count), kPiece);
  const size_t bytes = static_cast<size_t>(pieces) * sizeof(float);
  auto* broken = static_cast<float*>(reserve(device, bytes));
  if (broken == nullptr) return SWIRL_OUT_OF_MEMORY;
  const bool aligned =
      aligned_rows(weight, 0) && aligned_rows(gradient, 0) && aligned_rows(m, 0) && aligned_rows(v, 0);
  swirl_status status =
      launch(device, "adamw_check", adamw_check_kernel, dim3(static_cast<unsigned>(pieces)),
             dim3(kPackThreads), 0, count, constants(*o), weight, gradient, m, v, broken, aligned);
  if (status != SWIRL_OK) return status;
  std::vector<float> found(static_cast<size_t>(pieces));
  status = memory_download(device, found.data(), broken, bytes);
  if (status != SWIRL_OK) return status;
  for (int64_t i = 0; i < pieces; ++i) {
    if (found[static_cast<size_t>(i)] == 0) continue;
    *host_first = (i + 1) * kPiece - static_cast<int64_t>(found[static_cast<size_t>(i)]);
    break;
  }
  return SWIRL_OK;
}

}  // namespace swirl::cuda
