// Matrix products of the emulated device: plain loops instead of cuBLASLt. Each element is a float32 sum
// over k ascending, so a row does not depend on the others.
#include <algorithm>
#include <vector>

#include "cuda/device.h"
#include "cuda/emulator/memory.h"
#include "cuda/ops.h"
#include "native/cpu/bfloat16.h"
#include "native/kernels/gemm_arguments.h"
#include "native/kernels/size_of.h"

namespace swirl::cuda {
namespace {

float read(const void* from, size_t at, swirl_dtype type) {
  return type == SWIRL_FLOAT32 ? static_cast<const float*>(from)[at]
                               : to_float(static_cast<const bfloat16*>(from)[at]);
}

// Bytes from the first to the last element of a matrix.
size_t extent(int64_t rows, int64_t columns, int64_t ld, swirl_dtype type) {
  return static_cast<size_t>((rows - 1) * ld + columns) * size_of(type);
}

}  // namespace

swirl_status gemm(swirl_device* device, int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k,
                  swirl_dtype dtype, const void* a, int32_t lda, const void* b, int32_t ldb, float beta,
                  void* c, int32_t ldc, swirl_dtype c_type) {
  if (const std::string why =
          gemm_refusal(transpose_a, transpose_b, m, n, k, dtype, lda, ldb, beta, ldc, c_type);
      !why.empty())
    return fail(device, SWIRL_INVALID, "%s", why.c_str());
  if (m == 0 || n == 0) return SWIRL_OK;
  if (!emulator::is_device_memory(c, extent(m, n, ldc, c_type)) ||
      (k > 0 &&
       (!emulator::is_device_memory(a, extent(transpose_a ? k : m, transpose_a ? m : k, lda, dtype)) ||
        !emulator::is_device_memory(b, extent(transpose_b ? n : k, transpose_b ? k : n, ldb, dtype)))))
    return fail(device, SWIRL_INVALID, "gemm: m %d, n %d, k %d reaches outside device memory", m, n, k);
  const size_t width = static_cast<size_t>(n), depth = static_cast<size_t>(k);
  std::vector<float> right(depth * width);  // op(B) [k, n]
  for (size_t p = 0; p < depth; ++p)
    for (size_t j = 0; j < width; ++j)
      right[p * width + j] =
          read(b, transpose_b ? j * static_cast<size_t>(ldb) + p : p * static_cast<size_t>(ldb) + j, dtype);
  std::vector<float> sum(width);
  for (size_t i = 0; i < static_cast<size_t>(m); ++i) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (size_t p = 0; p < depth; ++p) {
      const float x =
          read(a, transpose_a ? p * static_cast<size_t>(lda) + i : i * static_cast<size_t>(lda) + p, dtype);
      const float* line = &right[p * width];
      for (size_t j = 0; j < width; ++j) sum[j] += x * line[j];
    }
    for (size_t j = 0; j < width; ++j) {
      const size_t at = i * static_cast<size_t>(ldc) + j;
      const float value = beta == 1 ? read(c, at, c_type) + sum[j] : sum[j];
      if (c_type == SWIRL_FLOAT32) {
        static_cast<float*>(c)[at] = value;
      } else {
        static_cast<bfloat16*>(c)[at] = to_bfloat16(value);
      }
    }
  }
  return SWIRL_OK;
}

}  // namespace swirl::cuda
