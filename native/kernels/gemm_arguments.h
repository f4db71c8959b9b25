// Checks of gemm's arguments, with the same error texts on every device.
#ifndef SWIRL_KERNELS_GEMM_ARGUMENTS_H_
#define SWIRL_KERNELS_GEMM_ARGUMENTS_H_

#include <cstdio>
#include <string>

#include "native/kernels/kernels.h"

namespace swirl {

// Why these arguments of gemm (kernels.h) are invalid; empty when they are valid.
inline std::string gemm_refusal(int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k,
                                swirl_dtype dtype, int32_t lda, int32_t ldb, float beta, int32_t ldc,
                                swirl_dtype c_type) {
  char text[192] = "";
  if (m < 0 || n < 0 || k < 0 || (beta != 0 && beta != 1)) {
    std::snprintf(text, sizeof text, "gemm: m %d, n %d, k %d must not be negative and beta %g must be 0 or 1",
                  m, n, k, static_cast<double>(beta));
  } else if (lda < (transpose_a ? m : k) || ldb < (transpose_b ? k : n) || ldc < n) {
    std::snprintf(text, sizeof text,
                  "gemm: a row is longer than its stride (m %d, n %d, k %d; lda %d, ldb %d, ldc %d)", m, n, k,
                  lda, ldb, ldc);
  } else if (c_type != SWIRL_FLOAT32 && c_type != dtype) {
    return "gemm: C must be float32 or of A's type";
  }
  return text;
}

}  // namespace swirl

#endif  // SWIRL_KERNELS_GEMM_ARGUMENTS_H_
