// Packs: eight consecutive elements of a row, the piece that one thread of a bandwidth-bound op handles at a
// time, whatever the types on either side. Also the grid that covers a [rows, width] plane with them.
//
// Which thread computes an element, and in what order, never depends on alignment: a misaligned row uses the
// same packs, loaded one element at a time.
#ifndef SWIRL_CUDA_PACK_CUH_
#define SWIRL_CUDA_PACK_CUH_

#include <algorithm>
#include <cstdint>

#include "cuda/platform.cuh"
#include "cuda/warp.cuh"

namespace swirl::cuda {

constexpr int kPack = 8;
constexpr int kPackThreads = 256;

// Whether rows of T at `pointer`, `ld` elements apart, all begin at 16-byte boundaries. Decided once per call
// on the host, for every operand.
template <class T>
bool aligned_rows(const T* pointer, int64_t ld) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && ld * static_cast<int64_t>(sizeof(T)) % 16 == 0;
}

// The first `count` of the eight elements at `from`, zeros after them.
template <class T>
__device__ __forceinline__ void load_pack(const T* from, int64_t count, bool aligned, float (&to)[kPack]) {
  if (aligned && count >= kPack) {
#pragma unroll
    for (int i = 0; i < kPack; i += kVector<T>) {
      float part[kVector<T>];
      load_vector(from + i, part);
#pragma unroll
      for (int j = 0; j < kVector<T>; ++j) to[i + j] = part[j];
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kPack; ++i) to[i] = i < count ? to_float(from[i]) : 0.0f;
}

template <class T>
__device__ __forceinline__ void store_pack(T* to, int64_t count, bool aligned, const float (&from)[kPack]) {
  if (aligned && count >= kPack) {
#pragma unroll
    for (int i = 0; i < kPack; i += kVector<T>) {
      float part[kVector<T>];
#pragma unroll
      for (int j = 0; j < kVector<T>; ++j) part[j] = from[i + j];
      store_vector(to + i, part);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kPack; ++i)
    if (i < count) to[i] = from_float<T>(from[i]);
}

// Threads over a plane: x over the items of a row, y over rows, with just enough blocks to keep every multiprocessor
// busy. Large planes are covered in strides.
struct Plane {
  dim3 grid, block;
};
inline Plane plane(const swirl_device* device, int64_t rows, int64_t items) {
  if (rows <= 0 || items <= 0) return {dim3(0, 1, 1), dim3(1, 1, 1)};
  int64_t x = 1;
  while (x < items && x < kPackThreads) x *= 2;
  const int64_t y = kPackThreads / x, wanted = std::max<int64_t>(1, device->multiprocessors) * 16;
  const int64_t across = std::min(ceil_div(items, x), wanted);
  const int64_t down = std::min({ceil_div(rows, y), std::max<int64_t>(1, wanted / across), int64_t(65535)});
  return {dim3(static_cast<unsigned>(across), static_cast<unsigned>(down), 1),
          dim3(static_cast<unsigned>(x), static_cast<unsigned>(y), 1)};
}

// body(row, item) for every item that this thread of a `plane` owns.
template <class Body>
__device__ __forceinline__ void over_plane(int64_t rows, int64_t items, const Body& body) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  const int64_t row_step = static_cast<int64_t>(gridDim.y) * blockDim.y;
  for (int64_t row = static_cast<int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += row_step)
    for (int64_t item = first; item < items; item += step) body(row, item);
}

// body(first element, elements from there to the end) for every pack of a [rows, width] plane that this thread
// owns.
template <class Body>
__device__ __forceinline__ void over_packs(int64_t rows, int64_t width, const Body& body) {
  over_plane(rows, (width + kPack - 1) / kPack,
             [&](int64_t row, int64_t pack) { body(row, pack * kPack, width - pack * kPack); });
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_PACK_CUH_
