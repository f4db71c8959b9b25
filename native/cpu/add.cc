#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"

#define SWIRL_BODY "native/cpu/add.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status add(swirl_device* device, size_t count, const float* x, float* y) {
  parallel_for(device, static_cast<int64_t>(count), 1 << 16, [&](int64_t begin, int64_t end) {
    SWIRL_DISPATCH(add_range(x + begin, y + begin, end - begin));
  });
  return SWIRL_OK;
}

}  // namespace swirl
