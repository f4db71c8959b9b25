// Matrix products: the two back ends and their common arguments.
//
// Back ends: oneDNN if it was built in (SWIRL_ONEDNN), and the portable one of gemm_portable.cc, which is always
// available. The environment SWIRL_MATRIX = onednn | portable chooses.
// docs/decisions/003-cpu-matrix-products.md explains the default.
#ifndef SWIRL_CPU_GEMM_H_
#define SWIRL_CPU_GEMM_H_

#include <cstdint>
#include <string>

#include "native/kernels/kernels.h"

namespace swirl {

// C[m, n] = op(A)[m, k] · op(B)[k, n] + beta · C, as kernels.h defines gemm.
struct Product {
  bool transpose_a, transpose_b;
  int32_t m, n, k;
  swirl_dtype dtype;
  const void* a;
  int32_t lda;
  const void* b;
  int32_t ldb;
  bool accumulate;
  void* c;
  int32_t ldc;
  swirl_dtype c_type;
  const float* packed = nullptr;  // B as pack_right leaves it; then b is not read
};

struct MatrixLibrary;

swirl_status open_matrix_library(swirl_device*);
void close_matrix_library(MatrixLibrary*);
std::string matrix_library_name(const MatrixLibrary*);

swirl_status portable_product(swirl_device*, const Product&);
size_t portable_packed_bytes(int32_t n, int32_t k, swirl_dtype);
void portable_pack(swirl_device*, const Product&, float* to);  // of its B
const char* portable_name();

#if defined(SWIRL_ONEDNN)
struct OneDnn;  // engine, stream, and the primitives created so far, by shape
swirl_status onednn_open(swirl_device*, OneDnn** out);
void onednn_close(OneDnn*);
std::string onednn_name();
swirl_status onednn_product(swirl_device*, OneDnn*, const Product&);
#endif

}  // namespace swirl

#endif  // SWIRL_CPU_GEMM_H_
