#include "native/cpu/gemm.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "native/cpu/device.h"
#include "native/cpu/ops.h"
#include "native/kernels/gemm_arguments.h"

namespace swirl {

struct MatrixLibrary {
#if defined(SWIRL_ONEDNN)
  OneDnn* onednn = nullptr;  // null: the portable back end
#endif
};

swirl_status open_matrix_library(swirl_device* device) {
  const char* wish = std::getenv("SWIRL_MATRIX");
  const bool portable = wish == nullptr || std::strcmp(wish, "portable") == 0;
  const bool onednn = wish != nullptr && std::strcmp(wish, "onednn") == 0;
  if (!portable && !onednn)
    return fail(device, SWIRL_INVALID, "SWIRL_MATRIX is \"%s\": use onednn or portable", wish);
  device->matrix = new (std::nothrow) MatrixLibrary;
  if (device->matrix == nullptr)
    return fail(device, SWIRL_OUT_OF_MEMORY, "cpu: no memory for the matrix library");
#if defined(SWIRL_ONEDNN)
  if (onednn) return onednn_open(device, &device->matrix->onednn);
#else
  if (onednn)
    return fail(device, SWIRL_UNSUPPORTED,
                "SWIRL_MATRIX is onednn, but this build has no oneDNN: install libdnnl-dev and build again");
#endif
  return SWIRL_OK;
}

void close_matrix_library(MatrixLibrary* library) {
#if defined(SWIRL_ONEDNN)
  if (library != nullptr && library->onednn != nullptr) onednn_close(library->onednn);
#endif
  delete library;
}

std::string matrix_library_name(const MatrixLibrary* library) {
#if defined(SWIRL_ONEDNN)
  if (library != nullptr && library->onednn != nullptr) return onednn_name();
#endif
  (void)library;
  return std::string("portable ") + portable_name();
}

swirl_status gemm(swirl_device* device, int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k,
                  swirl_dtype dtype, const void* a, int32_t lda, const void* b, int32_t ldb, float beta,
                  void* c, int32_t ldc, swirl_dtype c_type) {
  if (const std::string why =
          gemm_refusal(transpose_a, transpose_b, m, n, k, dtype, lda, ldb, beta, ldc, c_type);
      !why.empty())
    return fail(device, SWIRL_INVALID, "%s", why.c_str());
  if (m == 0 || n == 0) return SWIRL_OK;
  const Product product = {
      transpose_a != 0, transpose_b != 0, m, n, k, dtype, a, lda, b, ldb, beta == 1, c, ldc, c_type};
#if defined(SWIRL_ONEDNN)
  if (device->matrix->onednn != nullptr && k > 0)
    return onednn_product(device, device->matrix->onednn, product);
#endif
  return portable_product(device, product);
}

size_t packed_bytes(swirl_device* device, int32_t n, int32_t k, swirl_dtype dtype) {
#if defined(SWIRL_ONEDNN)
  if (device->matrix->onednn != nullptr) return 0;  // its order of sums is not ours
#endif
  (void)device;
  return n > 0 && k > 0 ? portable_packed_bytes(n, k, dtype) : 0;
}

swirl_status pack(swirl_device* device, int32_t n, int32_t k, swirl_dtype dtype, const void* b, int32_t ldb,
                  void* packed) {
  if (packed_bytes(device, n, k, dtype) == 0 || ldb < k)
    return fail(device, SWIRL_INVALID, "pack: a [%d, %d] matrix with rows %d apart", n, k, ldb);
  const Product product = {false, true, 1, n, k, dtype, nullptr, k, b, ldb, false, nullptr, n, SWIRL_FLOAT32};
  portable_pack(device, product, static_cast<float*>(packed));
  return SWIRL_OK;
}

swirl_status gemm_packed(swirl_device* device, int32_t m, int32_t n, int32_t k, swirl_dtype dtype,
                         const void* a, int32_t lda, const void* packed, float beta, void* c, int32_t ldc,
                         swirl_dtype c_type) {
  if (m < 0 || n <= 0 || k <= 0 || (beta != 0 && beta != 1) || lda < k || ldc < n ||
      (c_type != SWIRL_FLOAT32 && c_type != dtype))
    return fail(device, SWIRL_INVALID, "gemm_packed: m %d, n %d, k %d, lda %d, ldc %d, beta %g", m, n, k, lda,
                ldc, static_cast<double>(beta));
  if (m == 0) return SWIRL_OK;
  return portable_product(device, {false, true, m, n, k, dtype, a, lda, nullptr, k, beta == 1, c, ldc, c_type,
                                   static_cast<const float*>(packed)});
}

}  // namespace swirl
