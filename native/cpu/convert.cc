#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"
#include "native/kernels/size_of.h"

#define SWIRL_BODY "native/cpu/convert.inl"
#include "native/cpu/each_isa.h"

namespace swirl {
namespace {

template <class To, class From>
void convert_all(swirl_device* device, void* to, const void* from, size_t count) {
  To* target = static_cast<To*>(to);
  const From* source = static_cast<const From*>(from);
  parallel_for(device, static_cast<int64_t>(count), 1 << 18, [&](int64_t begin, int64_t end) {
    SWIRL_DISPATCH(convert_range(target, source, begin, end));
  });
}

}  // namespace

swirl_status convert(swirl_device* device, void* to, swirl_dtype to_type, const void* from,
                     swirl_dtype from_type, size_t count) {
  if (to_type == from_type) return memory_copy(device, to, from, count * size_of(to_type));
  if (to_type == SWIRL_BFLOAT16) {
    convert_all<bfloat16, float>(device, to, from, count);
  } else {
    convert_all<float, bfloat16>(device, to, from, count);
  }
  return SWIRL_OK;
}

swirl_status convert_rows(swirl_device* device, int32_t rows, int32_t width, const float* from,
                          int32_t ld_from, const float* factor, void* to, int32_t ld_to, swirl_dtype dtype) {
  with_type(dtype, [&](auto* null) {
    auto* out = static_cast<decltype(null)>(to);
    parallel_for(device, rows, row_grain(width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float* source = from + i * ld_from;
        auto* target = out + i * ld_to;
        if (factor != nullptr) {
          SWIRL_DISPATCH(scale_range(target, source, factor, width));
        } else {
          SWIRL_DISPATCH(convert_range(target, source, 0, width));
        }
      }
    });
  });
  return SWIRL_OK;
}

}  // namespace swirl
