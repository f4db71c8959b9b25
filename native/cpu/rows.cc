// Moves rows by an index: gather, scatter, scatter-add.
#include <cstring>

#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/kernels/size_of.h"

#define SWIRL_BODY "native/cpu/add.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status gather_rows(swirl_device* device, int32_t rows, int32_t width, const int32_t* index,
                         const void* from, int32_t ld_from, void* to, int32_t ld_to, swirl_dtype dtype) {
  const size_t bytes = size_of(dtype);
  parallel_for(device, rows, row_grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(static_cast<char*>(to) + static_cast<size_t>(i) * static_cast<size_t>(ld_to) * bytes,
                  static_cast<const char*>(from) +
                      static_cast<size_t>(index[i]) * static_cast<size_t>(ld_from) * bytes,
                  static_cast<size_t>(width) * bytes);
  });
  return SWIRL_OK;
}

swirl_status scatter_rows(swirl_device* device, int32_t rows, int32_t width, const int32_t* index,
                          const void* from, int32_t ld_from, void* to, int32_t ld_to, swirl_dtype dtype) {
  const size_t bytes = size_of(dtype);
  parallel_for(device, rows, row_grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(
          static_cast<char*>(to) + static_cast<size_t>(index[i]) * static_cast<size_t>(ld_to) * bytes,
          static_cast<const char*>(from) + static_cast<size_t>(i) * static_cast<size_t>(ld_from) * bytes,
          static_cast<size_t>(width) * bytes);
  });
  return SWIRL_OK;
}

swirl_status scatter_add_rows(swirl_device* device, int32_t rows, int32_t width, const int32_t* index,
                              const float* from, int32_t ld_from, float* to, int32_t ld_to) {
  parallel_for(device, rows, row_grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      SWIRL_DISPATCH(add_range(from + i * ld_from, to + static_cast<int64_t>(index[i]) * ld_to, width));
  });
  return SWIRL_OK;
}

}  // namespace swirl
