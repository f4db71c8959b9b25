// embedding_forward: rows of the table, scaled, as float32. embedding_backward: adds rows of the gradient to
// the table's gradient, the rows of each token in ascending order.
//
// The backward is planned on the host: the distinct tokens, and the rows of each. One column of blocks computes
// one token, so no two threads share an element.
//
// Forward moves 6 bytes per element with a bfloat16 table. Backward moves 4 bytes per element of the gradient and 8 per
// element of each distinct token. Lower bound on time: bytes / bandwidth, unless one token has most of the rows: its
// sum is a chain of one addition per row.
#include <numeric>
#include <vector>

#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

constexpr int kThreads = 128;

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    embedding_kernel(int64_t rows, int64_t width, const int32_t* tokens, const T* table, float scale,
                     float* out, bool aligned) {
  over_packs(rows, width, [&](int64_t row, int64_t at, int64_t left) {
    float x[kPack];
    load_pack(table + tokens[row] * width + at, left, aligned, x);
#pragma unroll
    for (int i = 0; i < kPack; ++i) x[i] *= scale;
    store_pack(out + row * width + at, left, aligned, x);
  });
}

// Block (token, part of the width). rows[offset[t] … offset[t + 1]) are the rows of token[t].
__global__ void __launch_bounds__(kThreads)
    embedding_gradient_kernel(int64_t width, const int32_t* token, const int32_t* offset, const int32_t* rows,
                              const float* gradient, float scale, float* table_gradient) {
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (column >= width) return;
  float* to = table_gradient + token[blockIdx.x] * width + column;
  const int32_t end = offset[blockIdx.x + 1];
  float sum = *to;
#pragma unroll 8
  for (int32_t i = offset[blockIdx.x]; i < end; ++i)
    sum = fmaf(gradient[rows[i] * width + column], scale, sum);
  *to = sum;
}

}  // namespace

swirl_status embedding_forward(swirl_device* device, int32_t rows, int32_t width, const int32_t* tokens,
                               const void* table, swirl_dtype dtype, float scale, float* out) {
  const Plane p = plane(device, rows, ceil_div(width, kPack));
  return with_type(dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    const T* from = static_cast<const T*>(table);
    return launch(device, "embedding_forward", embedding_kernel<T>, p.grid, p.block, 0, rows, width, tokens,
                  from, scale, out, aligned_rows(from, width) && aligned_rows(out, width));
  });
}

swirl_status embedding_backward(swirl_device* device, int32_t rows, int32_t width, const int32_t* host_tokens,
                                const float* gradient, float scale, float* table_gradient) {
  if (rows <= 0 || width <= 0) return SWIRL_OK;
  // [rows of the distinct tokens in turn][the tokens][where each one's rows begin, and the end]
  std::vector<int32_t> plan(static_cast<size_t>(rows));
  std::iota(plan.begin(), plan.end(), 0);
  std::sort(plan.begin(), plan.end(), [&](int32_t a, int32_t b) {
    return host_tokens[a] != host_tokens[b] ? host_tokens[a] < host_tokens[b] : a < b;
  });
  std::vector<int32_t> token, offset;
  for (int32_t i = 0; i < rows; ++i) {
    const int32_t here = host_tokens[plan[static_cast<size_t>(i)]];
    if (!token.empty() && token.back() == here) continue;
    token.push_back(here);
    offset.push_back(i);
  }
  offset.push_back(rows);
  plan.insert(plan.end(), token.begin(), token.end());
  plan.insert(plan.end(), offset.begin(), offset.end());
  const size_t bytes = plan.size() * sizeof(int32_t);
  auto* planned = static_cast<int32_t*>(reserve(device, bytes));
  if (planned == nullptr) return SWIRL_OUT_OF_MEMORY;
  const swirl_status status = memory_upload(device, planned, plan.data(), bytes);
  if (status != SWIRL_OK) return status;
  return launch(device, "embedding_backward", embedding_gradient_kernel,
                dim3(static_cast<unsigned>(token.size()), static_cast<unsigned>(ceil_div(width, kThreads))),
                dim3(kThreads), 0, width, planned + rows, planned + rows + token.size(), planned, gradient,
                scale, table_gradient);
}

}  // namespace swirl::cuda
