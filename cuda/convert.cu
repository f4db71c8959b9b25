// convert: between float32 and bfloat16, rounding to nearest even.
//
// 6 bytes per element: 4 on one side, 2 on the other. Lower bound on time: bytes / bandwidth.
#include "cuda/ops.h"
#include "cuda/pack.cuh"
#include "native/kernels/size_of.h"

namespace swirl::cuda {
namespace {

template <class To, class From>
__global__ void __launch_bounds__(kPackThreads)
    convert_kernel(To* to, const From* from, int64_t count, bool aligned) {
  over_packs(1, count, [&](int64_t, int64_t at, int64_t left) {
    float x[kPack];
    load_pack(from + at, left, aligned, x);
    store_pack(to + at, left, aligned, x);
  });
}

template <class To, class From>
swirl_status convert_all(swirl_device* device, void* to, const void* from, size_t count) {
  To* target = static_cast<To*>(to);
  const From* source = static_cast<const From*>(from);
  const Plane p = plane(device, 1, ceil_div(static_cast<int64_t>(count), kPack));
  return launch(device, "convert", convert_kernel<To, From>, p.grid, p.block, 0, target, source, count,
                aligned_rows(target, 0) && aligned_rows(source, 0));
}

}  // namespace

swirl_status convert(swirl_device* device, void* to, swirl_dtype to_type, const void* from,
                     swirl_dtype from_type, size_t count) {
  if (to_type == from_type) return memory_copy(device, to, from, count * size_of(to_type));
  if (to_type == SWIRL_BFLOAT16) return convert_all<__nv_bfloat16, float>(device, to, from, count);
  return convert_all<float, __nv_bfloat16>(device, to, from, count);
}

}  // namespace swirl::cuda
