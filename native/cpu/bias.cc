#include "native/cpu/column_sums.h"
#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

#define SWIRL_BODY "native/cpu/add.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status bias_forward(swirl_device* device, int32_t rows, int32_t width, void* x, int32_t ld,
                          swirl_dtype dtype, const float* bias) {
  with_type(dtype, [&](auto* null) {
    auto* data = static_cast<decltype(null)>(x);
    parallel_for(device, rows, row_grain(width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) SWIRL_DISPATCH(add_range(bias, data + row * ld, width));
    });
  });
  return SWIRL_OK;
}

swirl_status bias_backward(swirl_device* device, int32_t rows, int32_t width, const void* dy, int32_t ld,
                           swirl_dtype dtype, float* dbias) {
  ColumnSums sums;
  if (!sums.reserve(device, rows, width)) return out_of_scratch(device, "bias_backward", sums.bytes());
  with_type(dtype, [&](auto* null) {
    const auto* gradient = static_cast<decltype(null)>(const_cast<void*>(dy));
    parallel_for(device, rows, ColumnSums::kRows, [&](int64_t begin, int64_t end) {
      float* piece = sums.piece(begin);
      for (int64_t row = begin; row < end; ++row)
        SWIRL_DISPATCH(add_range(gradient + row * ld, piece, width));
    });
  });
  sums.add_to(device, dbias);
  return SWIRL_OK;
}

}  // namespace swirl
