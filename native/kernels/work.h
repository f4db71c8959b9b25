// Lower bounds of each kernel's work, counted from its arguments: floating-point operations and bytes
// moved. Names and arguments are those of kernels.h.
//
// Operations are counted for matrix products and attention only; every other kernel is bound by memory.
// Bytes are the operands', each read or written once (twice where it accumulates).
#ifndef SWIRL_KERNELS_WORK_H_
#define SWIRL_KERNELS_WORK_H_

#include "kernels.h"

namespace swirl {

// The shape of a matrix product. The dimension that counts rows (m, or k where A is transposed, as in the
// gradients of weights) is rounded up to a power of two, so that batches of many sizes share few shapes.
struct ProductShape {
  int32_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  swirl_dtype dtype = SWIRL_FLOAT32;
};

struct Work {
  const char* op = "";
  double flops = 0, bytes = 0;
  swirl_dtype dtype = SWIRL_FLOAT32;  // of the operations
  ProductShape product = {};          // of gemm; m = 0 elsewhere
};

namespace work {

Work upload(void*, const void*, size_t bytes);
Work download(void*, const void*, size_t bytes);
Work copy(void*, const void*, size_t bytes);
Work zero(void*, size_t bytes);
Work convert(void*, swirl_dtype to_type, const void*, swirl_dtype from_type, size_t count);
Work gemm(int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k, swirl_dtype, const void*,
          int32_t, const void*, int32_t, float beta, void*, int32_t, swirl_dtype c_type);
Work pack(int32_t n, int32_t k, swirl_dtype, const void*, int32_t, void*);
Work gemm_packed(int32_t m, int32_t n, int32_t k, swirl_dtype, const void* a, int32_t lda, const void* packed,
                 float beta, void*, int32_t, swirl_dtype c_type);
Work embedding_forward(int32_t rows, int32_t width, const int32_t*, const void*, swirl_dtype, float, float*);
Work embedding_backward(int32_t rows, int32_t width, const int32_t*, const float*, float, float*);
Work rmsnorm_forward(int32_t rows, int32_t groups, int32_t width, const void*, int32_t, swirl_dtype x_type,
                     const float*, float, float, void*, int32_t, swirl_dtype y_type, float*);
Work rmsnorm_backward(int32_t rows, int32_t groups, int32_t width, const void*, int32_t, swirl_dtype x_type,
                      const float*, float, const float*, const void*, int32_t, swirl_dtype dy_type, void*,
                      int32_t, swirl_dtype dx_type, int accumulate, float*);
Work rope(int32_t rows, int32_t heads, int32_t head_dim, void*, int32_t, swirl_dtype, const int32_t*,
          const float*, const float*, int);
Work gated_forward(swirl_activation, int32_t rows, int32_t width, const void*, void*, swirl_dtype);
Work gated_backward(swirl_activation, int32_t rows, int32_t width, const void*, const void*, void*,
                    swirl_dtype);
Work add(size_t count, const float*, float*);
Work bias_forward(int32_t rows, int32_t width, void*, int32_t, swirl_dtype, const float*);
Work bias_backward(int32_t rows, int32_t width, const void*, int32_t, swirl_dtype, float*);
Work gather_rows(int32_t rows, int32_t width, const int32_t*, const void*, int32_t, void*, int32_t,
                 swirl_dtype);
Work scatter_add_rows(int32_t rows, int32_t width, const int32_t*, const float*, int32_t, float*, int32_t);
Work convert_rows(int32_t rows, int32_t width, const float*, int32_t, const float*, void*, int32_t,
                  swirl_dtype);
Work scatter_rows(int32_t rows, int32_t width, const int32_t*, const void*, int32_t, void*, int32_t,
                  swirl_dtype);
// Windows are ignored: a sliding layer is charged for every visible pair.
Work attention_forward(const swirl_attention_shape*, const swirl_tree*, const void*, int32_t, const void*,
                       int32_t, const void*, int32_t, void*, int32_t, float*, swirl_dtype);
Work attention_backward(const swirl_attention_shape*, const swirl_tree*, const void*, int32_t, const void*,
                        int32_t, const void*, int32_t, const void*, int32_t, const float*, const void*,
                        int32_t, void*, float*, float*, swirl_dtype);
Work logprob_forward(int32_t vocab, const float*, float, float, const swirl_labels*, float*, float*, float*);
Work logprob_backward(int32_t vocab, const float*, float, float, const swirl_labels*, const float*,
                      const float*, const float*, const float*, void*, swirl_dtype);
Work sample(int32_t rows, int32_t vocab, const float*, float, const swirl_sampling*, const float*, int32_t*,
            float*);
Work sum_of_squares(size_t count, const float*, double*);
Work adamw(size_t count, const swirl_adamw*, float* weight, const float*, float*, float*, void* compute,
           swirl_dtype);
Work adamw_check(size_t count, const swirl_adamw*, const float*, const float*, const float*, const float*,
                 int64_t*);
Work adamw_compact(size_t count, const swirl_adamw*, const swirl_rounding*, void*, const float*,
                   const swirl_compact_moments*);
Work adamw_compact_check(size_t count, const swirl_adamw*, const void*, const float*,
                         const swirl_compact_moments*, int64_t*);

}  // namespace work
}  // namespace swirl

#endif  // SWIRL_KERNELS_WORK_H_
