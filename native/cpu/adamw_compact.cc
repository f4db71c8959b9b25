// Threads take whole blocks of 32 elements, so the bits do not depend on the number of threads.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/kernels/compact_state.h"

#define SWIRL_BODY "native/cpu/adamw_compact.inl"
#include "native/cpu/each_isa.h"

namespace swirl {
namespace {

constexpr int64_t kGrain =
    1 << 15;  // elements per piece: whole blocks, none of which crosses a multiple of 2^32

}  // namespace

swirl_status adamw_compact(swirl_device* device, size_t count, const swirl_adamw* options,
                           const swirl_rounding* rounding, void* weight, const float* gradient,
                           const swirl_compact_moments* moments) {
  const uint64_t key = rounding_key(*rounding);
  parallel_for(device, static_cast<int64_t>(count), kGrain, [&](int64_t begin, int64_t end) {
    const RoundingKeys keys = rounding_keys(key, static_cast<uint32_t>(begin >> 32));
    SWIRL_DISPATCH(
        adamw_compact_range(*options, keys, begin, end, static_cast<bfloat16*>(weight), gradient, *moments));
  });
  return SWIRL_OK;
}

swirl_status adamw_compact_check(swirl_device* device, size_t count, const swirl_adamw* options,
                                 const void* weight, const float* gradient,
                                 const swirl_compact_moments* moments, int64_t* first) {
  std::atomic<int64_t> lowest{INT64_MAX};
  parallel_for(device, static_cast<int64_t>(count), kGrain, [&](int64_t begin, int64_t end) {
    int64_t found = -1;
    SWIRL_DISPATCH(adamw_compact_first_broken(*options, begin, end, static_cast<const bfloat16*>(weight),
                                              gradient, *moments, &found));
    int64_t seen = lowest.load();
    while (found >= 0 && found < seen && !lowest.compare_exchange_weak(seen, found)) {
    }
  });
  *first = lowest == INT64_MAX ? -1 : lowest.load();
  return SWIRL_OK;
}

}  // namespace swirl
