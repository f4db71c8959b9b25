// add: y += x.
//
// 12 bytes per element: x and y read, y written. Lower bound on time: bytes / bandwidth.
#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

__global__ void __launch_bounds__(kPackThreads)
    add_kernel(int64_t count, const float* x, float* y, bool aligned) {
  over_packs(1, count, [&](int64_t, int64_t at, int64_t left) {
    float a[kPack], b[kPack];
    load_pack(x + at, left, aligned, a);
    load_pack(y + at, left, aligned, b);
#pragma unroll
    for (int i = 0; i < kPack; ++i) b[i] += a[i];
    store_pack(y + at, left, aligned, b);
  });
}

}  // namespace

swirl_status add(swirl_device* device, size_t count, const float* x, float* y) {
  const Plane p = plane(device, 1, ceil_div(static_cast<int64_t>(count), kPack));
  return launch(device, "add", add_kernel, p.grid, p.block, 0, count, x, y,
                aligned_rows(x, 0) && aligned_rows(y, 0));
}

}  // namespace swirl::cuda
