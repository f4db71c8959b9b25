// bias_forward: x += bias in every row. bias_backward: dbias += Σ over rows of dy (column_sums.cuh).
//
// In bfloat16 forward moves 4 bytes per element (read and written). Backward reads 2 and, for the sums of 16
// rows, writes and reads 1/4 byte more each. Lower bound on time: bytes / bandwidth.
#include "cuda/column_sums.cuh"
#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

constexpr int kRows = 16;  // rows per piece
constexpr int kThreads = 64;

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    bias_kernel(int64_t rows, int64_t width, T* x, int64_t ld, const float* bias, bool aligned) {
  over_packs(rows, width, [&](int64_t row, int64_t at, int64_t left) {
    T* to = x + row * ld + at;
    float value[kPack], shift[kPack];
    load_pack(to, left, aligned, value);
    load_pack(bias + at, left, aligned, shift);
#pragma unroll
    for (int i = 0; i < kPack; ++i) value[i] += shift[i];
    store_pack(to, left, aligned, value);
  });
}

// sums[piece, width]: block (pack group, piece).
template <class T>
__global__ void __launch_bounds__(kThreads)
    bias_gradient_kernel(int64_t rows, int64_t width, const T* dy, int64_t ld, float* sums, bool aligned,
                         bool aligned_sums) {
  const int64_t at = (static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x) * kPack;
  const int64_t piece = blockIdx.x, left = width - at;
  if (left <= 0) return;
  float sum[kPack] = {};
#pragma unroll 4
  for (int i = 0; i < kRows; ++i) {
    const int64_t row = piece * kRows + i;
    if (row >= rows) break;
    float value[kPack];
    load_pack(dy + row * ld + at, left, aligned, value);
#pragma unroll
    for (int j = 0; j < kPack; ++j) sum[j] += value[j];
  }
  store_pack(sums + piece * width + at, left, aligned_sums, sum);
}

}  // namespace

swirl_status bias_forward(swirl_device* device, int32_t rows, int32_t width, void* x, int32_t ld,
                          swirl_dtype dtype, const float* bias) {
  const Plane p = plane(device, rows, ceil_div(width, kPack));
  return with_type(dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    T* data = static_cast<T*>(x);
    return launch(device, "bias_forward", bias_kernel<T>, p.grid, p.block, 0, rows, width, data, ld, bias,
                  aligned_rows(data, ld) && aligned_rows(bias, 0));
  });
}

swirl_status bias_backward(swirl_device* device, int32_t rows, int32_t width, const void* dy, int32_t ld,
                           swirl_dtype dtype, float* dbias) {
  const int64_t pieces = ceil_div(rows, kRows);
  if (pieces == 0 || width == 0) return SWIRL_OK;
  auto* sums = static_cast<float*>(reserve(device, static_cast<size_t>(pieces * width) * sizeof(float)));
  if (sums == nullptr) return SWIRL_OUT_OF_MEMORY;
  const swirl_status status = with_type(dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    const T* gradient = static_cast<const T*>(dy);
    return launch(
        device, "bias_backward", bias_gradient_kernel<T>,
        dim3(static_cast<unsigned>(pieces), static_cast<unsigned>(ceil_div(width, kThreads * kPack))),
        dim3(kThreads), 0, rows, width, gradient, ld, sums, aligned_rows(gradient, ld),
        aligned_rows(sums, width));
  });
  if (status != SWIRL_OK) return status;
  return add_column_sums(device, "bias_backward", pieces, width, sums, dbias);
}

}  // namespace swirl::cuda
