#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"

#define SWIRL_BODY "native/cpu/embedding.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status embedding_forward(swirl_device* device, int32_t rows, int32_t width, const int32_t* tokens,
                               const void* table, swirl_dtype dtype, float scale, float* out) {
  parallel_for(device, rows, row_grain(width), [&](int64_t begin, int64_t end) {
    if (dtype == SWIRL_FLOAT32) {
      SWIRL_DISPATCH(embedding_rows(begin, end, width, tokens, static_cast<const float*>(table), scale, out));
    } else {
      SWIRL_DISPATCH(
          embedding_rows(begin, end, width, tokens, static_cast<const bfloat16*>(table), scale, out));
    }
  });
  return SWIRL_OK;
}

// Tokens are assigned to threads by their id, so that a token's rows add up in order and no two threads share a
// row of the table.
swirl_status embedding_backward(swirl_device* device, int32_t rows, int32_t width, const int32_t* tokens,
                                const float* gradient, float scale, float* table_gradient) {
  const int32_t shares = static_cast<int64_t>(rows) * width < 65536 ? 1 : device->threads;
  parallel_for(device, shares, 1, [&](int64_t share, int64_t) {
    for (int32_t row = 0; row < rows; ++row) {
      if (tokens[row] % shares != share) continue;
      SWIRL_DISPATCH(add_scaled(width, gradient + static_cast<int64_t>(row) * width, scale,
                                table_gradient + static_cast<int64_t>(tokens[row]) * width));
    }
  });
  return SWIRL_OK;
}

}  // namespace swirl
