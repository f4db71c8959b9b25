// The GPU's entries of the kernel table (documented in native/kernels/kernels.h), one file per op.
//
// table.cu wraps each of them: on entry the device is the current one and, in the emulation, its memory is
// accessible. Entries may call each other.
#ifndef SWIRL_CUDA_OPS_H_
#define SWIRL_CUDA_OPS_H_

#include <cstddef>
#include <cstdint>

#include "native/kernels/kernels.h"

namespace swirl::cuda {

// device.cu
int32_t device_count();
swirl_status device_open(int32_t ordinal, int32_t threads, swirl_device** out);
void device_close(swirl_device*);
const char* device_last_error(const swirl_device*);
swirl_status device_describe(swirl_device*, swirl_device_info* host_out);

// memory.cu
swirl_status memory_allocate(swirl_device*, size_t bytes, void** out);
void memory_release(swirl_device*, void*);
swirl_status memory_upload(swirl_device*, void* to, const void* host_from, size_t bytes);
swirl_status memory_download(swirl_device*, void* host_to, const void* from, size_t bytes);
swirl_status memory_copy(swirl_device*, void* to, const void* from, size_t bytes);
swirl_status memory_zero(swirl_device*, void* to, size_t bytes);
swirl_status device_synchronize(swirl_device*);

// convert.cu
swirl_status convert(swirl_device*, void* to, swirl_dtype to_type, const void* from, swirl_dtype from_type,
                     size_t count);

// gemm.cu
swirl_status gemm(swirl_device*, int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k,
                  swirl_dtype dtype, const void* a, int32_t lda, const void* b, int32_t ldb, float beta,
                  void* c, int32_t ldc, swirl_dtype c_type);

// embedding.cu
swirl_status embedding_forward(swirl_device*, int32_t rows, int32_t width, const int32_t* tokens,
                               const void* table, swirl_dtype dtype, float scale, float* out);
swirl_status embedding_backward(swirl_device*, int32_t rows, int32_t width, const int32_t* host_tokens,
                                const float* gradient, float scale, float* table_gradient);

// rmsnorm.cu
swirl_status rmsnorm_forward(swirl_device*, int32_t rows, int32_t groups, int32_t width, const void* x,
                             int32_t ldx, swirl_dtype x_type, const float* weight, float offset, float eps,
                             void* y, int32_t ldy, swirl_dtype y_type, float* rstd);
swirl_status rmsnorm_backward(swirl_device*, int32_t rows, int32_t groups, int32_t width, const void* x,
                              int32_t ldx, swirl_dtype x_type, const float* weight, float offset,
                              const float* rstd, const void* dy, int32_t lddy, swirl_dtype dy_type, void* dx,
                              int32_t lddx, swirl_dtype dx_type, int accumulate, float* dweight);

// rope.cu
swirl_status rope(swirl_device*, int32_t rows, int32_t heads, int32_t head_dim, void* x, int32_t ld,
                  swirl_dtype dtype, const int32_t* positions, const float* cosine, const float* sine,
                  int inverse);

// gated.cu
swirl_status gated_forward(swirl_device*, swirl_activation, int32_t rows, int32_t width, const void* gate_up,
                           void* out, swirl_dtype dtype);
swirl_status gated_backward(swirl_device*, swirl_activation, int32_t rows, int32_t width, const void* gate_up,
                            const void* dout, void* dgate_up, swirl_dtype dtype);

// add.cu
swirl_status add(swirl_device*, size_t count, const float* x, float* y);

// bias.cu
swirl_status bias_forward(swirl_device*, int32_t rows, int32_t width, void* x, int32_t ld, swirl_dtype dtype,
                          const float* bias);
swirl_status bias_backward(swirl_device*, int32_t rows, int32_t width, const void* dy, int32_t ld,
                           swirl_dtype dtype, float* dbias);

// rows.cu
swirl_status gather_rows(swirl_device*, int32_t rows, int32_t width, const int32_t* index, const void* from,
                         int32_t ld_from, void* to, int32_t ld_to, swirl_dtype dtype);
swirl_status scatter_add_rows(swirl_device*, int32_t rows, int32_t width, const int32_t* index,
                              const float* from, int32_t ld_from, float* to, int32_t ld_to);
swirl_status convert_rows(swirl_device*, int32_t rows, int32_t width, const float* from, int32_t ld_from,
                          const float* factor, void* to, int32_t ld_to, swirl_dtype dtype);
swirl_status scatter_rows(swirl_device*, int32_t rows, int32_t width, const int32_t* index, const void* from,
                          int32_t ld_from, void* to, int32_t ld_to, swirl_dtype dtype);

// attention_forward.cu, attention_backward.cu
swirl_status attention_forward(swirl_device*, const swirl_attention_shape*, const swirl_tree*, const void* q,
                               int32_t ldq, const void* k, int32_t ldk, const void* v, int32_t ldv, void* out,
                               int32_t ldo, float* lse, swirl_dtype dtype);
swirl_status attention_backward(swirl_device*, const swirl_attention_shape*, const swirl_tree*, const void* q,
                                int32_t ldq, const void* k, int32_t ldk, const void* v, int32_t ldv,
                                const void* out, int32_t ldo, const float* lse, const void* dout,
                                int32_t lddo, void* dq, float* dk, float* dv, swirl_dtype dtype);

// logprob.cu
swirl_status logprob_forward(swirl_device*, int32_t vocab, const float* logits, float softcap,
                             float temperature, const swirl_labels*, float* logprob, float* lse,
                             float* entropy);
swirl_status logprob_backward(swirl_device*, int32_t vocab, const float* logits, float softcap,
                              float temperature, const swirl_labels*, const float* coefficient,
                              const float* lse, const float* entropy, const float* entropy_coefficient,
                              void* dlogits, swirl_dtype dtype);

// sample.cu
swirl_status sample(swirl_device*, int32_t rows, int32_t vocab, const float* logits, float softcap,
                    const swirl_sampling*, const float* host_uniform, int32_t* host_token,
                    float* host_logprob);

// sum_of_squares.cu
swirl_status sum_of_squares(swirl_device*, size_t count, const float* x, double* host_out);

// adamw.cu
swirl_status adamw(swirl_device*, size_t count, const swirl_adamw*, float* weight, const float* gradient,
                   float* m, float* v, void* compute, swirl_dtype dtype);
swirl_status adamw_check(swirl_device*, size_t count, const swirl_adamw*, const float* weight,
                         const float* gradient, const float* m, const float* v, int64_t* host_first);

// adamw_compact.cu
swirl_status adamw_compact(swirl_device*, size_t count, const swirl_adamw*, const swirl_rounding*,
                           void* weight, const float* gradient, const swirl_compact_moments*);
swirl_status adamw_compact_check(swirl_device*, size_t count, const swirl_adamw*, const void* weight,
                                 const float* gradient, const swirl_compact_moments*, int64_t* host_first);

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_OPS_H_
