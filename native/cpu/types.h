// Calls a generic lambda with a null pointer of the C++ type behind a swirl_dtype: the type is passed as an
// argument.
#ifndef SWIRL_CPU_TYPES_H_
#define SWIRL_CPU_TYPES_H_

#include "native/cpu/bfloat16.h"
#include "native/kernels/kernels.h"

namespace swirl {

template <class Body>
void with_type(swirl_dtype dtype, const Body& body) {
  if (dtype == SWIRL_FLOAT32) {
    body(static_cast<float*>(nullptr));
  } else {
    body(static_cast<bfloat16*>(nullptr));
  }
}

}  // namespace swirl

#endif  // SWIRL_CPU_TYPES_H_
