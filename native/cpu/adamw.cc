#include <cmath>

#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

#define SWIRL_BODY "native/cpu/adamw.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status adamw(swirl_device* device, size_t count, const swirl_adamw* options, float* weight,
                   const float* gradient, float* m, float* v, void* compute, swirl_dtype dtype) {
  if (compute == weight) compute = nullptr;
  with_type(dtype, [&](auto* null) {
    auto* copy = static_cast<decltype(null)>(compute);
    parallel_for(device, static_cast<int64_t>(count), 1 << 15, [&](int64_t begin, int64_t end) {
      SWIRL_DISPATCH(adamw_range(*options, begin, end, weight, gradient, m, v, copy));
    });
  });
  return SWIRL_OK;
}

}  // namespace swirl
