#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

#define SWIRL_BODY "native/cpu/rope.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status rope(swirl_device* device, int32_t rows, int32_t heads, int32_t head_dim, void* x, int32_t ld,
                  swirl_dtype dtype, const int32_t* positions, const float* cosine, const float* sine,
                  int inverse) {
  if (head_dim % 2 != 0)
    return fail(device, SWIRL_INVALID, "rope: head_dim is %d and must be even", head_dim);
  with_type(dtype, [&](auto* null) {
    auto* data = static_cast<decltype(null)>(x);
    parallel_for(
        device, rows, row_grain(static_cast<int64_t>(heads) * head_dim), [&](int64_t begin, int64_t end) {
          SWIRL_DISPATCH(rope_rows(begin, end, heads, head_dim, data, ld, positions, cosine, sine, inverse));
        });
  });
  return SWIRL_OK;
}

}  // namespace swirl
