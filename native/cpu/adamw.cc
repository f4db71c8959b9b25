#include <algorithm>
#include <atomic>
#include <cmath>

#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

namespace swirl {
namespace {

// Multiplies every float that bfloat16 rounds to infinity (0x1.ffp127 and above) past float's own range.
constexpr float kBeyondBfloat16 = 256.0f / 255.5f;

}  // namespace
}  // namespace swirl

#define SWIRL_BODY "native/cpu/adamw.inl"
#include "native/cpu/each_isa.h"

namespace swirl {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements per piece

}  // namespace

swirl_status adamw(swirl_device* device, size_t count, const swirl_adamw* options, float* weight,
                   const float* gradient, float* m, float* v, void* compute, swirl_dtype dtype) {
  if (compute == weight) compute = nullptr;
  with_type(dtype, [&](auto* null) {
    auto* copy = static_cast<decltype(null)>(compute);
    parallel_for(device, static_cast<int64_t>(count), kGrain, [&](int64_t begin, int64_t end) {
      SWIRL_DISPATCH(adamw_range(*options, begin, end, weight, gradient, m, v, copy));
    });
  });
  return SWIRL_OK;
}

swirl_status adamw_check(swirl_device* device, size_t count, const swirl_adamw* options, const float* weight,
                         const float* gradient, const float* m, const float* v, int64_t* first) {
  std::atomic<int64_t> lowest{INT64_MAX};
  parallel_for(device, static_cast<int64_t>(count), kGrain, [&](int64_t begin, int64_t end) {
    int64_t found = -1;
    SWIRL_DISPATCH(adamw_first_broken(*options, begin, end, weight, gradient, m, v, &found));
    int64_t seen = lowest.load();
    while (found >= 0 && found < seen && !lowest.compare_exchange_weak(seen, found)) {
    }
  });
  *first = lowest == INT64_MAX ? -1 : lowest.load();
  return SWIRL_OK;
}

}  // namespace swirl
