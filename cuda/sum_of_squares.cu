// sum_of_squares: Σ x² in float64. Pieces of a fixed size are summed separately, each by one block in one order,
// then all pieces by one block: the bits depend only on the count. The square of a float32 is exact in
// float64. Waits for the result.
//
// 4 bytes per element; one float64 multiply-add. Lower bound on time: bytes / bandwidth (a GPU with few float64 units
// may need longer).
#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPiece = 65536;  // elements per block
constexpr int kLastThreads = 1024;

__global__ void __launch_bounds__(kThreads)
    squares_kernel(int64_t count, const float* x, double* pieces, bool aligned) {
  const int64_t begin = blockIdx.x * kPiece, end = begin + kPiece < count ? begin + kPiece : count;
  double sum = 0;
  for (int64_t at = begin + threadIdx.x * kPack; at < end; at += kThreads * kPack) {
    float value[kPack];
    load_pack(x + at, end - at, aligned, value);
#pragma unroll
    for (int i = 0; i < kPack; ++i)
      sum = fma(static_cast<double>(value[i]), static_cast<double>(value[i]), sum);
  }
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) pieces[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kLastThreads)
    add_pieces_kernel(int64_t count, const double* pieces, double* out) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kLastThreads) sum += pieces[i];
  sum = block_sum<kLastThreads>(sum);
  if (threadIdx.x == 0) *out = sum;
}

}  // namespace

swirl_status sum_of_squares(swirl_device* device, size_t count, const float* x, double* host_out) {
  *host_out = 0;
  if (count == 0) return SWIRL_OK;
  const int64_t pieces = ceil_div(static_cast<int64_t>(count), kPiece);
  auto* sums = static_cast<double*>(reserve(device, static_cast<size_t>(pieces + 1) * sizeof(double)));
  if (sums == nullptr) return SWIRL_OUT_OF_MEMORY;
  swirl_status status = launch(device, "sum_of_squares", squares_kernel, dim3(static_cast<unsigned>(pieces)),
                               dim3(kThreads), 0, count, x, sums, aligned_rows(x, 0));
  if (status != SWIRL_OK) return status;
  status = launch(device, "sum_of_squares", add_pieces_kernel, dim3(1), dim3(kLastThreads), 0, pieces, sums,
                  sums + pieces);
  if (status != SWIRL_OK) return status;
  return memory_download(device, host_out, sums + pieces, sizeof(double));
}

}  // namespace swirl::cuda
