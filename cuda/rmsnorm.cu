// rmsnorm_forward, rmsnorm_backward: y = x · rstd · w with w = weight + offset and rstd = (mean(x²) + eps)^-½.
// The gradient, with g = dy · w: dx = rstd · (g - x · rstd² · mean(g · x)), dweight = Σ dy · x · rstd.
//
// A line is one group of one row. A team of threads computes it: a warp if the line has at most kNarrow elements,
// else a block. The size of the team and the order of its sums depend only on the width. A line is read twice,
// the second time from cache.
//
// Memory traffic per element: forward 6 bytes (float32 in, bfloat16 out). Backward into a float32 residual stream 14
// (reads x, dy and dx, writes dx), and 1 more for the column sums. Lower bound on time: bytes / bandwidth.
#include "cuda/column_sums.cuh"
#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

constexpr int kRows = 8;           // rows per block of the backward (a piece of the column sums)
constexpr int kNarrow = 512;       // maximum width of a line that one warp computes
constexpr int kMostThreads = 512;  // maximum threads when the block is one team
constexpr int kWarps = 8;          // warps per block when each warp is a team

unsigned team_threads(int32_t width) {
  return static_cast<unsigned>(std::min<int64_t>(kMostThreads, round_up(ceil_div(width, kPack), kWarp)));
}

// The calling thread's team. kWarpTeams: each warp is a team; otherwise the block is.
template <bool kWarpTeams>
struct Team {
  int threads = kWarpTeams ? kWarp : static_cast<int>(blockDim.x);
  int index = kWarpTeams ? static_cast<int>(threadIdx.x) / kWarp : 0;  // in the block
  int count = kWarpTeams ? static_cast<int>(blockDim.x) / kWarp : 1;
  int rank = static_cast<int>(threadIdx.x) % threads;

  static __device__ __forceinline__ float sum(float x) { return kWarpTeams ? warp_sum(x) : block_sum(x); }
};

template <bool kWarpTeams, class X, class Y>
__global__ void __launch_bounds__(kMostThreads)
    rmsnorm_kernel(int64_t lines, int32_t groups, int32_t width, const X* x, int64_t ldx, const float* weight,
                   float offset, float eps, Y* y, int64_t ldy, float* rstd, bool aligned) {
  const Team<kWarpTeams> team;
  const int64_t line = static_cast<int64_t>(blockIdx.x) * team.count + team.index;
  if (line >= lines) return;
  const int64_t row = line / groups, at = (line - row * groups) * width;
  const X* from = x + row * ldx + at;
  Y* to = y + row * ldy + at;
  float squares = 0;
  for (int32_t i = team.rank * kPack; i < width; i += team.threads * kPack) {
    float value[kPack];
    load_pack(from + i, width - i, aligned, value);
#pragma unroll
    for (int j = 0; j < kPack; ++j) squares = fmaf(value[j], value[j], squares);
  }
  const float r = 1.0f / sqrtf(team.sum(squares) / static_cast<float>(width) + eps);
  if (team.rank == 0) rstd[line] = r;
  for (int32_t i = team.rank * kPack; i < width; i += team.threads * kPack) {
    float value[kPack], w[kPack];
    load_pack(from + i, width - i, aligned, value);
    load_pack(weight + i, width - i, aligned, w);
#pragma unroll
    for (int j = 0; j < kPack; ++j) value[j] = value[j] * r * (w[j] + offset);
    store_pack(to + i, width - i, aligned, value);
  }
}

struct Backward {
  int64_t rows;
  int32_t groups, width;
  int64_t ldx, lddy, lddx;
  const float *weight, *rstd;
  float offset;
  bool accumulate, aligned;
};

// One block per kRows rows. Dynamic shared memory holds each team's sums for dweight: [teams][kPack][packs]. A pack
// (kPack consecutive elements) belongs to one thread of the team until the sums of the teams are added. sums is null
// if there is no dweight.
template <bool kWarpTeams, class X, class DY, class DX>
__global__ void __launch_bounds__(kMostThreads)
    rmsnorm_gradient_kernel(Backward b, const X* x, const DY* dy, DX* dx, float* sums) {
  const Team<kWarpTeams> team;
  const int32_t packs = (b.width + kPack - 1) / kPack;
  float* shared = reinterpret_cast<float*>(dynamic_shared());
  float* mine = shared + team.index * kPack * packs;
  for (int32_t pack = team.rank; pack < packs; pack += team.threads)
    for (int j = 0; j < kPack; ++j) mine[j * packs + pack] = 0;

  const int64_t first = static_cast<int64_t>(blockIdx.x) * kRows;
  const int64_t end = first + kRows < b.rows ? first + kRows : b.rows;
  for (int64_t line = first * b.groups + team.index; line < end * b.groups; line += team.count) {
    const int64_t row = line / b.groups, at = (line - row * b.groups) * b.width;
    const X* input = x + row * b.ldx + at;
    const DY* gradient = dy + row * b.lddy + at;
    DX* to = dx + row * b.lddx + at;
    const float r = b.rstd[line];
    float dot = 0;
    for (int32_t pack = team.rank; pack < packs; pack += team.threads) {
      const int32_t i = pack * kPack, left = b.width - i;
      float value[kPack], d[kPack], w[kPack];
      load_pack(input + i, left, b.aligned, value);
      load_pack(gradient + i, left, b.aligned, d);
      load_pack(b.weight + i, left, b.aligned, w);
#pragma unroll
      for (int j = 0; j < kPack; ++j) {
        dot = fmaf(d[j] * (w[j] + b.offset), value[j], dot);
        if (sums != nullptr) mine[j * packs + pack] = fmaf(d[j], value[j] * r, mine[j * packs + pack]);
      }
    }
    const float pull = -team.sum(dot) / static_cast<float>(b.width) * r * r * r;
    for (int32_t pack = team.rank; pack < packs; pack += team.threads) {
      const int32_t i = pack * kPack, left = b.width - i;
      float value[kPack], d[kPack], w[kPack];
      load_pack(input + i, left, b.aligned, value);
      load_pack(gradient + i, left, b.aligned, d);
      load_pack(b.weight + i, left, b.aligned, w);
#pragma unroll
      for (int j = 0; j < kPack; ++j) d[j] = fmaf(value[j], pull, d[j] * (w[j] + b.offset) * r);
      if (b.accumulate) {
        load_pack(to + i, left, b.aligned, value);
#pragma unroll
        for (int j = 0; j < kPack; ++j) d[j] += value[j];
      }
      store_pack(to + i, left, b.aligned, d);
    }
  }
  if (sums == nullptr) return;
  __syncthreads();
  for (int32_t column = static_cast<int32_t>(threadIdx.x); column < b.width;
       column += static_cast<int32_t>(blockDim.x)) {
    const int32_t place = column % kPack * packs + column / kPack;
    float sum = shared[place];
    for (int other = 1; other < team.count; ++other) sum += shared[other * kPack * packs + place];
    sums[static_cast<int64_t>(blockIdx.x) * b.width + column] = sum;
  }
}

template <bool kWarpTeams, class X, class DY, class DX>
swirl_status gradient(swirl_device* device, const Backward& b, int64_t pieces, const X* x, const DY* dy,
                      DX* dx, float* sums) {
  const unsigned threads = kWarpTeams ? kWarps * kWarp : team_threads(b.width);
  const size_t bytes =
      static_cast<size_t>((kWarpTeams ? kWarps : 1) * round_up(b.width, kPack)) * sizeof(float);
  return launch(device, "rmsnorm_backward", rmsnorm_gradient_kernel<kWarpTeams, X, DY, DX>,
                dim3(static_cast<unsigned>(pieces)), dim3(threads), bytes, b, x, dy, dx, sums);
}

// Whether every group of every row begins at a 16-byte boundary.
template <class T>
bool aligned_lines(const T* pointer, int64_t ld, int32_t groups, int32_t width) {
  return aligned_rows(pointer, ld) && (groups == 1 || aligned_rows(pointer, width));
}

}  // namespace

swirl_status rmsnorm_forward(swirl_device* device, int32_t rows, int32_t groups, int32_t width, const void* x,
                             int32_t ldx, swirl_dtype x_type, const float* weight, float offset, float eps,
                             void* y, int32_t ldy, swirl_dtype y_type, float* rstd) {
  const bool narrow = width <= kNarrow;
  const int64_t lines = static_cast<int64_t>(rows) * groups;
  const dim3 grid(static_cast<unsigned>(ceil_div(lines, narrow ? kWarps : 1)));
  const dim3 block(narrow ? kWarps * kWarp : team_threads(width));
  return with_type(x_type, [&](auto* x_null) {
    return with_type(y_type, [&](auto* y_null) {
      using X = std::remove_pointer_t<decltype(x_null)>;
      using Y = std::remove_pointer_t<decltype(y_null)>;
      const X* from = static_cast<const X*>(x);
      Y* to = static_cast<Y*>(y);
      const bool aligned = aligned_lines(from, ldx, groups, width) && aligned_lines(to, ldy, groups, width) &&
                           aligned_rows(weight, 0);
      return launch(device, "rmsnorm_forward",
                    narrow ? rmsnorm_kernel<true, X, Y> : rmsnorm_kernel<false, X, Y>, grid, block, 0, lines,
                    groups, width, from, ldx, weight, offset, eps, to, ldy, rstd, aligned);
    });
  });
}

swirl_status rmsnorm_backward(swirl_device* device, int32_t rows, int32_t groups, int32_t width,
                              const void* x, int32_t ldx, swirl_dtype x_type, const float* weight,
                              float offset, const float* rstd, const void* dy, int32_t lddy,
                              swirl_dtype dy_type, void* dx, int32_t lddx, swirl_dtype dx_type,
                              int accumulate, float* dweight) {
  const int64_t pieces = ceil_div(rows, kRows);
  if (pieces == 0 || width == 0) return SWIRL_OK;
  float* sums = nullptr;
  if (dweight != nullptr) {
    sums = static_cast<float*>(reserve(device, static_cast<size_t>(pieces * width) * sizeof(float)));
    if (sums == nullptr) return SWIRL_OUT_OF_MEMORY;
  }
  const swirl_status status = with_type(x_type, [&](auto* x_null) {
    return with_type(dy_type, [&](auto* dy_null) {
      return with_type(dx_type, [&](auto* dx_null) {
        using X = std::remove_pointer_t<decltype(x_null)>;
        using DY = std::remove_pointer_t<decltype(dy_null)>;
        using DX = std::remove_pointer_t<decltype(dx_null)>;
        const X* input = static_cast<const X*>(x);
        const DY* slope = static_cast<const DY*>(dy);
        DX* to = static_cast<DX*>(dx);
        const Backward b = {rows,
                            groups,
                            width,
                            ldx,
                            lddy,
                            lddx,
                            weight,
                            rstd,
                            offset,
                            accumulate != 0,
                            aligned_lines(input, ldx, groups, width) &&
                                aligned_lines(slope, lddy, groups, width) &&
                                aligned_lines(to, lddx, groups, width) && aligned_rows(weight, 0)};
        return width <= kNarrow ? gradient<true>(device, b, pieces, input, slope, to, sums)
                                : gradient<false>(device, b, pieces, input, slope, to, sums);
      });
    });
  });
  if (status != SWIRL_OK || dweight == nullptr) return status;
  return add_column_sums(device, "rmsnorm_backward", pieces, width, sums, dweight);
}

}  // namespace swirl::cuda
