// One step of AdamW on a pack of elements in registers, for adamw.cu and adamw_compact.cu; and the search for the first
// element that a step would make infinite or NaN, for both checks.
//
// AdamwConstants are computed in float64 and rounded once, as on the CPU; every element goes through the same rounded
// operations in the same order as there.
#ifndef SWIRL_CUDA_ADAMW_STEP_CUH_
#define SWIRL_CUDA_ADAMW_STEP_CUH_

#include <cmath>
#include <vector>

#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {

struct AdamwConstants {
  float decay, scale, mix1, keep2, mix2, root, eps, step;
};

struct AdamwElements {
  float weight[kPack], gradient[kPack], mean[kPack], square[kPack];
};

__device__ __forceinline__ void adamw_move(const AdamwConstants& c, AdamwElements& x) {
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    const float slope = __fmul_rn(x.gradient[i], c.scale);
    x.mean[i] = fmaf(__fsub_rn(slope, x.mean[i]), c.mix1, x.mean[i]);
    x.square[i] = fmaf(x.square[i], c.keep2, __fmul_rn(__fmul_rn(slope, slope), c.mix2));
    const float denominator = sqrtf(x.square[i]) / c.root + c.eps;
    x.weight[i] = fmaf(c.step, x.mean[i] / denominator, __fmul_rn(x.weight[i], c.decay));
  }
}

inline AdamwConstants adamw_constants(const swirl_adamw& o) {
  return {static_cast<float>(1 - o.lr * o.weight_decay),
          static_cast<float>(o.gradient_scale),
          static_cast<float>(1 - o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1 - o.beta2),
          static_cast<float>(std::sqrt(o.bias_correction2)),
          static_cast<float>(o.eps),
          static_cast<float>(-o.lr / o.bias_correction1)};
}

constexpr int64_t kPiece =
    65536;  // elements per block of the check; a float can represent every index within one

// Launches check(grid, broken) over pieces of kPiece elements; broken[piece]: index of the first element that would not
// stay finite, counted from the end of its piece (kPiece for element 0), 0 if there is none. host_first: the lowest
// index of all, or -1.
template <class Check>
swirl_status first_broken(swirl_device* device, size_t count, int64_t* host_first, const Check& check) {
  *host_first = -1;
  if (count == 0) return SWIRL_OK;
  const int64_t pieces = ceil_div(static_cast<int64_t>(count), kPiece);
  const size_t bytes = static_cast<size_t>(pieces) * sizeof(float);
  auto* broken = static_cast<float*>(reserve(device, bytes));
  if (broken == nullptr) return SWIRL_OUT_OF_MEMORY;
  swirl_status status = check(dim3(static_cast<unsigned>(pieces)), broken);
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

#endif  // SWIRL_CUDA_ADAMW_STEP_CUH_
