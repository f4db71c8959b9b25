// adamw: one step as torch.optim.AdamW defines it, in one pass: decoupled decay first, then m and v, then
// weight -= lr / correction1 · m / (√v / √correction2 + eps).
//
// Constants are formed in float64 and rounded once, as the CPU does; every element goes through the same
// rounded operations in the same order as there.
//
// 30 bytes a parameter with a bfloat16 copy: weight, m and v read and written, the gradient read, the copy
// written; 28 without one. 15 operations: bandwidth is the floor.
#include <cmath>

#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

struct Constants {
  float decay, scale, mix1, keep2, mix2, root, eps, step;
};

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    adamw_kernel(int64_t count, Constants c, float* weight, const float* gradient, float* m, float* v,
                 T* compute, bool aligned) {
  over_packs(1, count, [&](int64_t, int64_t at, int64_t left) {
    float w[kPack], g[kPack], mean[kPack], square[kPack];
    load_pack(gradient + at, left, aligned, g);
    load_pack(m + at, left, aligned, mean);
    load_pack(v + at, left, aligned, square);
    load_pack(weight + at, left, aligned, w);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const float slope = __fmul_rn(g[i], c.scale);
      mean[i] = fmaf(__fsub_rn(slope, mean[i]), c.mix1, mean[i]);
      square[i] = fmaf(square[i], c.keep2, __fmul_rn(__fmul_rn(slope, slope), c.mix2));
      const float denominator = sqrtf(square[i]) / c.root + c.eps;
      w[i] = fmaf(c.step, mean[i] / denominator, __fmul_rn(w[i], c.decay));
    }
    store_pack(m + at, left, aligned, mean);
    store_pack(v + at, left, aligned, square);
    store_pack(weight + at, left, aligned, w);
    if (compute != nullptr) store_pack(compute + at, left, aligned, w);
  });
}

}  // namespace

swirl_status adamw(swirl_device* device, size_t count, const swirl_adamw* o, float* weight,
                   const float* gradient, float* m, float* v, void* compute, swirl_dtype dtype) {
  if (compute == weight) compute = nullptr;
  const Constants c = {static_cast<float>(1 - o->lr * o->weight_decay),
                       static_cast<float>(o->gradient_scale),
                       static_cast<float>(1 - o->beta1),
                       static_cast<float>(o->beta2),
                       static_cast<float>(1 - o->beta2),
                       static_cast<float>(std::sqrt(o->bias_correction2)),
                       static_cast<float>(o->eps),
                       static_cast<float>(-o->lr / o->bias_correction1)};
  const Plane p = plane(device, 1, ceil_div(static_cast<int64_t>(count), kPack));
  return with_type(dtype, [&](auto* null) {
    auto* copy = static_cast<decltype(null)>(compute);
    const bool aligned = aligned_rows(weight, 0) && aligned_rows(gradient, 0) && aligned_rows(m, 0) &&
                         aligned_rows(v, 0) && aligned_rows(copy, 0);
    return launch(device, "adamw", adamw_kernel<std::remove_pointer_t<decltype(null)>>, p.grid, p.block, 0,
                  count, c, weight, gradient, m, v, copy, aligned);
  });
}

}  // namespace swirl::cuda
