// The two products of attention, over tiles in shared memory, for one warp.
//
// Sums are in the warp's registers in the layout of mma.m16n8k16: with g = lane / 4, t = lane % 4, sum[m][n] is a
// 16×8 tile whose elements 0, 1 are row g, columns 2t, 2t + 1 and 2, 3 the same of row g + 8. bfloat16 uses
// mma.sync; float32 uses plain fused multiply-adds in the same layout, so that everything around the
// products is written once. In both a row's sums depend on that row of A and on B only, and run over the inner
// index in ascending steps: a row's place in its tile does not change its bits.
//
// A tile's rows are kWidth elements and 16 bytes apart: eight successive rows then begin in eight different
// 16-byte banks, so that ldmatrix has no bank conflicts at any width. (A swizzle would do the same; the gap costs
// 3–12 % of shared memory and no arithmetic, and also works for width 96.)
#ifndef SWIRL_CUDA_ATTENTION_PRODUCTS_CUH_
#define SWIRL_CUDA_ATTENTION_PRODUCTS_CUH_

#include <type_traits>

#include "cuda/platform.cuh"
#include "cuda/tile.cuh"
#include "cuda/warp.cuh"

namespace swirl::cuda {

// Elements from one row of a tile to the next.
template <class T, int kWidth>
constexpr int kRowStride = kWidth + kVector<T>;

// Two floats as two bfloat16 in a word, the first in the low half, in one instruction.
__device__ __forceinline__ uint32_t bfloat16_pair(float low, float high) {
#if defined(SWIRL_CUDA_EMULATED)
  return pack_bfloat16(low, high);
#else
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#endif
}

// 2^x; 0 for -infinity.
__device__ __forceinline__ float power_of_two(float x) {
#if defined(SWIRL_CUDA_EMULATED)
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// A product that the compiler does not fuse with a following addition.
__device__ __forceinline__ float product(float a, float b) { return __fmul_rn(a, b); }

template <int kM, int kN>
__device__ __forceinline__ void clear(float (&sum)[kM][kN][4]) {
#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int n = 0; n < kN; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[m][n][i] = 0;
}

// sum += A · Bᵀ over kWidth columns; A [16 kM, kWidth] are the warp's rows, B [8 kN, kWidth].
template <int kWidth, int kM, int kN>
__device__ __forceinline__ void multiply_transposed(float (&sum)[kM][kN][4], const __nv_bfloat16* a,
                                                    const __nv_bfloat16* b) {
  static_assert(kN % 2 == 0, "B comes in pairs of tiles");
  constexpr int kStride = kRowStride<__nv_bfloat16, kWidth>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  a += lane % 16 * kStride + lane / 16 * 8;
  b += (lane / 16 * 8 + lane % 8) * kStride + lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < kWidth; k += 16) {
    uint32_t rows[kM][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) ldmatrix_x4(rows[m], a + m * 16 * kStride + k);
#pragma unroll
    for (int n = 0; n < kN; n += 2) {
      uint32_t both[4];
      ldmatrix_x4(both, b + n * 8 * kStride + k);
      const uint32_t first[2] = {both[0], both[1]}, second[2] = {both[2], both[3]};
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        mma_m16n8k16(sum[m][n], rows[m], first);
        mma_m16n8k16(sum[m][n + 1], rows[m], second);
      }
    }
  }
}

template <int kWidth, int kM, int kN>
__device__ __forceinline__ void multiply_transposed(float (&sum)[kM][kN][4], const float* a, const float* b) {
  constexpr int kStride = kRowStride<float, kWidth>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  a += lane / 4 * kStride;
  b += lane % 4 * 2 * kStride;
#pragma unroll 2
  for (int k = 0; k < kWidth; k += 4) {
    float rows[kM][2][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      load_vector(a + m * 16 * kStride + k, rows[m][0]);
      load_vector(a + (m * 16 + 8) * kStride + k, rows[m][1]);
    }
#pragma unroll
    for (int n = 0; n < kN; ++n) {
      float columns[2][4];
      load_vector(b + n * 8 * kStride + k, columns[0]);
      load_vector(b + (n * 8 + 1) * kStride + k, columns[1]);
#pragma unroll
      for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
          for (int j = 0; j < 4; ++j) sum[m][n][i] = fmaf(rows[m][i / 2][j], columns[i % 2][j], sum[m][n][i]);
    }
  }
}

// Weights [16 kM, 8 kN] of the second product: in registers, rounded, or (float32) in the warp's own memory.
template <class T, int kM, int kN>
struct Weights;

template <int kM, int kN>
struct Weights<__nv_bfloat16, kM, kN> {
  static constexpr int kStagingBytes = 0;  // per warp
  uint32_t word[kM][kN / 2][4];

  __device__ __forceinline__ Weights(const float (&from)[kM][kN][4], float*) {
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int n = 0; n < kN; n += 2) {
        word[m][n / 2][0] = bfloat16_pair(from[m][n][0], from[m][n][1]);
        word[m][n / 2][1] = bfloat16_pair(from[m][n][2], from[m][n][3]);
        word[m][n / 2][2] = bfloat16_pair(from[m][n + 1][0], from[m][n + 1][1]);
        word[m][n / 2][3] = bfloat16_pair(from[m][n + 1][2], from[m][n + 1][3]);
      }
  }
};

template <int kM, int kN>
struct Weights<float, kM, kN> {
  static constexpr int kStride = 8 * kN + 4;
  static constexpr int kStagingBytes = 16 * kM * kStride * 4;
  const float* row;

  __device__ __forceinline__ Weights(const float (&from)[kM][kN][4], float* staging) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    float* to = staging + lane / 4 * kStride + lane % 4 * 2;
    __syncwarp();  // the weights before these have been read
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) to[(m * 16 + i / 2 * 8) * kStride + n * 8 + i % 2] = from[m][n][i];
    __syncwarp();
    row = staging + lane / 4 * kStride;
  }
};

// sum += weights · B, columns `column` … column + 15 of B [8 kN, kWidth].
template <int kWidth, int kM, int kN>
__device__ __forceinline__ void multiply_weights(float (&sum)[kM][2][4],
                                                 const Weights<__nv_bfloat16, kM, kN>& weights,
                                                 const __nv_bfloat16* b, int column) {
  constexpr int kStride = kRowStride<__nv_bfloat16, kWidth>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  b += lane % 16 * kStride + lane / 16 * 8 + column;
#pragma unroll
  for (int k = 0; k < kN / 2; ++k) {
    uint32_t both[4];
    ldmatrix_x4_trans(both, b + k * 16 * kStride);
    const uint32_t first[2] = {both[0], both[1]}, second[2] = {both[2], both[3]};
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      mma_m16n8k16(sum[m][0], weights.word[m][k], first);
      mma_m16n8k16(sum[m][1], weights.word[m][k], second);
    }
  }
}

template <int kWidth, int kM, int kN>
__device__ __forceinline__ void multiply_weights(float (&sum)[kM][2][4],
                                                 const Weights<float, kM, kN>& weights, const float* b,
                                                 int column) {
  constexpr int kStride = kRowStride<float, kWidth>, kFrom = Weights<float, kM, kN>::kStride;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  b += lane % 4 * 2 + column;
#pragma unroll 2
  for (int k = 0; k < 8 * kN; k += 4) {
    float p[kM][2][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      load_vector(weights.row + m * 16 * kFrom + k, p[m][0]);
      load_vector(weights.row + (m * 16 + 8) * kFrom + k, p[m][1]);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        const float2 x = *reinterpret_cast<const float2*>(b + (k + j) * kStride + n * 8);
#pragma unroll
        for (int m = 0; m < kM; ++m)
#pragma unroll
          for (int i = 0; i < 4; ++i)
            sum[m][n][i] = fmaf(p[m][i / 2][j], i % 2 == 0 ? x.x : x.y, sum[m][n][i]);
      }
  }
}

// Starts the copy of `rows` rows into a tile; row_at(i) is row i's first element in global memory or null.
// Zeros where it is null and past `width` elements. `aligned`: every row is 16-byte aligned and whole vectors.
// Done after this thread's copy_async_wait and a barrier.
template <int kWidth, class T, class RowAt>
__device__ __forceinline__ void load_tile(T* tile, int rows, int width, bool aligned, const T* anywhere,
                                          const RowAt& row_at) {
  constexpr int kStride = kRowStride<T, kWidth>;
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  if (aligned) {
    constexpr int kPieces = kWidth / kVector<T>;
    for (int i = thread; i < rows * kPieces; i += threads) {
      const int row = i / kPieces, column = i % kPieces * kVector<T>;
      const T* from = row_at(row);
      const bool valid = from != nullptr && column < width;
      copy_async_16(tile + row * kStride + column, valid ? from + column : anywhere, valid);
    }
    return;
  }
  for (int i = thread; i < rows * kWidth; i += threads) {
    const int row = i / kWidth, column = i % kWidth;
    const T* from = row_at(row);
    tile[row * kStride + column] = from != nullptr && column < width ? from[column] : from_float<T>(0.0f);
  }
}

// Stores a pair, columns `column` and the next, to a row of `width` elements. `paired`: the two are in
// one aligned word, and the width is even.
template <class T>
__device__ __forceinline__ void store_pair(T* row, int column, int width, bool paired, float first,
                                           float second) {
  if (paired) {
    if (column >= width) return;
    if constexpr (std::is_same_v<T, float>) {
      *reinterpret_cast<float2*>(row + column) = make_float2(first, second);
    } else {
      *reinterpret_cast<uint32_t*>(row + column) = bfloat16_pair(first, second);
    }
    return;
  }
  if (column < width) row[column] = from_float<T>(first);
  if (column + 1 < width) row[column + 1] = from_float<T>(second);
}

// Whether store_pair may write whole words at rows of T.
template <class T>
bool pairs(const void* pointer, int64_t ld, int64_t width) {
  return reinterpret_cast<uintptr_t>(pointer) % (2 * sizeof(T)) == 0 && ld % 2 == 0 && width % 2 == 0;
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_ATTENTION_PRODUCTS_CUH_
