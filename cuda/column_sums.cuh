// Sums over rows, for gradients that every row adds to (norm weights, biases). Pieces of a fixed number of rows
// are summed separately in float32, each by one block, then added in float64 in one order, since the terms of such a
// gradient nearly cancel. Pieces and order depend only on the number of rows.
#ifndef SWIRL_CUDA_COLUMN_SUMS_CUH_
#define SWIRL_CUDA_COLUMN_SUMS_CUH_

#include "cuda/platform.cuh"
#include "cuda/warp.cuh"

namespace swirl::cuda {

constexpr int kSumColumns = 32;  // columns per block
constexpr int kSumLanes = 16;    // threads that share a column's pieces

// to[width] += sums[pieces, width]
template <int kLanes>
__global__ void __launch_bounds__(kSumColumns* kLanes)
    column_sums_kernel(int64_t pieces, int64_t width, const float* sums, float* to) {
  __shared__ double partial[kLanes][kSumColumns];
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kSumColumns + x;
  double sum = 0;
  if (column < width) {
#pragma unroll 4
    for (int64_t piece = y; piece < pieces; piece += kLanes)
      sum += static_cast<double>(sums[piece * width + column]);
  }
  partial[y][x] = sum;
  __syncthreads();
  if (y > 0 || column >= width) return;
  double total = static_cast<double>(to[column]);
  for (int lane = 0; lane < kLanes; ++lane) total += partial[lane][x];
  to[column] = static_cast<float>(total);
}

inline swirl_status add_column_sums(swirl_device* device, const char* op, int64_t pieces, int64_t width,
                                    const float* sums, float* to) {
  return launch(device, op, column_sums_kernel<kSumLanes>,
                dim3(static_cast<unsigned>(ceil_div(width, kSumColumns))), dim3(kSumColumns, kSumLanes), 0,
                pieces, width, sums, to);
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_COLUMN_SUMS_CUH_
