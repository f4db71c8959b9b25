#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

#define SWIRL_BODY "native/cpu/gated.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status gated_forward(swirl_device* device, swirl_activation activation, int32_t rows, int32_t width,
                           const void* gate_up, void* out, swirl_dtype dtype) {
  with_type(dtype, [&](auto* null) {
    const auto* from = static_cast<decltype(null)>(const_cast<void*>(gate_up));
    auto* to = static_cast<decltype(null)>(out);
    parallel_for(device, rows, row_grain(width, 16384), [&](int64_t begin, int64_t end) {
      if (activation == SWIRL_SILU) {
        SWIRL_DISPATCH(gated_rows<SWIRL_SILU>(begin, end, width, from, to));
      } else {
        SWIRL_DISPATCH(gated_rows<SWIRL_GELU_TANH>(begin, end, width, from, to));
      }
    });
  });
  return SWIRL_OK;
}

swirl_status gated_backward(swirl_device* device, swirl_activation activation, int32_t rows, int32_t width,
                            const void* gate_up, const void* dout, void* dgate_up, swirl_dtype dtype) {
  with_type(dtype, [&](auto* null) {
    const auto* from = static_cast<decltype(null)>(const_cast<void*>(gate_up));
    const auto* gradient = static_cast<decltype(null)>(const_cast<void*>(dout));
    auto* to = static_cast<decltype(null)>(dgate_up);
    parallel_for(device, rows, row_grain(width, 16384), [&](int64_t begin, int64_t end) {
      if (activation == SWIRL_SILU) {
        SWIRL_DISPATCH(gated_gradient_rows<SWIRL_SILU>(begin, end, width, from, gradient, to));
      } else {
        SWIRL_DISPATCH(gated_gradient_rows<SWIRL_GELU_TANH>(begin, end, width, from, gradient, to));
      }
    });
  });
  return SWIRL_OK;
}

}  // namespace swirl
