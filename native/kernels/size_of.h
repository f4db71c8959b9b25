// Bytes per element of a swirl_dtype. Not in kernels.h, because that is plain C.
#ifndef SWIRL_KERNELS_SIZE_OF_H_
#define SWIRL_KERNELS_SIZE_OF_H_

#include <cstddef>

#include "native/kernels/kernels.h"

namespace swirl {

constexpr size_t size_of(swirl_dtype dtype) { return dtype == SWIRL_FLOAT32 ? 4 : 2; }

}  // namespace swirl

#endif  // SWIRL_KERNELS_SIZE_OF_H_
