// rmsnorm_forward, rmsnorm_backward on the CPU: kernels.h states shapes and what accumulates, rmsnorm.inl has the
// equations and the loops. Rows are divided among threads; a row's sums have one fixed order.
#include <cmath>

#include "native/cpu/column_sums.h"
#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

#define SWIRL_BODY "native/cpu/rmsnorm.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status rmsnorm_forward(swirl_device* device, int32_t rows, int32_t groups, int32_t width, const void* x,
                             int32_t ldx, swirl_dtype x_type, const float* weight, float offset, float eps,
                             void* y, int32_t ldy, swirl_dtype y_type, float* rstd) {
  with_type(x_type, [&](auto* x_null) {
    with_type(y_type, [&](auto* y_null) {
      const auto* from = static_cast<decltype(x_null)>(const_cast<void*>(x));
      auto* to = static_cast<decltype(y_null)>(y);
      parallel_for(
          device, rows, row_grain(static_cast<int64_t>(groups) * width), [&](int64_t begin, int64_t end) {
            SWIRL_DISPATCH(
                rmsnorm_rows(begin, end, groups, width, from, ldx, weight, offset, eps, to, ldy, rstd));
          });
    });
  });
  return SWIRL_OK;
}

swirl_status rmsnorm_backward(swirl_device* device, int32_t rows, int32_t groups, int32_t width,
                              const void* x, int32_t ldx, swirl_dtype x_type, const float* weight,
                              float offset, const float* rstd, const void* dy, int32_t lddy,
                              swirl_dtype dy_type, void* dx, int32_t lddx, swirl_dtype dx_type,
                              int accumulate, float* dweight) {
  ColumnSums sums;
  if (dweight != nullptr && !sums.reserve(device, rows, width))
    return out_of_scratch(device, "rmsnorm_backward", sums.bytes());
  with_type(x_type, [&](auto* x_null) {
    with_type(dy_type, [&](auto* dy_null) {
      with_type(dx_type, [&](auto* dx_null) {
        const auto* input = static_cast<decltype(x_null)>(const_cast<void*>(x));
        const auto* gradient = static_cast<decltype(dy_null)>(const_cast<void*>(dy));
        auto* to = static_cast<decltype(dx_null)>(dx);
        parallel_for(device, rows, ColumnSums::kRows, [&](int64_t begin, int64_t end) {
          SWIRL_DISPATCH(rmsnorm_gradient_rows(begin, end, groups, width, input, ldx, weight, offset, rstd,
                                               gradient, lddy, to, lddx, accumulate,
                                               dweight != nullptr ? sums.piece(begin) : nullptr));
        });
      });
    });
  });
  if (dweight != nullptr) sums.add_to(device, dweight);
  return SWIRL_OK;
}

}  // namespace swirl
