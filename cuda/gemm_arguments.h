// What every gemm refuses, in the words of the CPU's.
#ifndef SWIRL_CUDA_GEMM_ARGUMENTS_H_
#define SWIRL_CUDA_GEMM_ARGUMENTS_H_

#include "cuda/device.h"

namespace swirl::cuda {

inline swirl_status check_gemm(swirl_device* device, int transpose_a, int transpose_b, int32_t m, int32_t n,
                               int32_t k, swirl_dtype dtype, int32_t lda, int32_t ldb, float beta,
                               int32_t ldc, swirl_dtype c_type) {
  if (m < 0 || n < 0 || k < 0 || (beta != 0 && beta != 1))
    return fail(device, SWIRL_INVALID,
                "gemm: m %d, n %d, k %d must not be negative and beta %g must be 0 or 1", m, n, k,
                static_cast<double>(beta));
  if (lda < (transpose_a ? m : k) || ldb < (transpose_b ? k : n) || ldc < n)
    return fail(device, SWIRL_INVALID,
                "gemm: a row is longer than its stride (m %d, n %d, k %d; lda %d, ldb %d, ldc %d)", m, n, k,
                lda, ldb, ldc);
  if (c_type != SWIRL_FLOAT32 && c_type != dtype)
    return fail(device, SWIRL_INVALID, "gemm: C must be float32 or of A's type");
  return SWIRL_OK;
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_GEMM_ARGUMENTS_H_
