// gather_rows, scatter_rows, scatter_add_rows, convert_rows: move rows by an index or to another type. Rows
// that are only moved are copied bit for bit.
//
// Bytes per element: gather and scatter 4 in bfloat16, 8 in float32; scatter_add 12; convert 6 to bfloat16.
// Lower bound on time: bytes / bandwidth.
#include "cuda/ops.h"
#include "cuda/pack.cuh"
#include "native/kernels/size_of.h"

namespace swirl::cuda {
namespace {

// Lengths in words. kScatter: the index is the destination, else the source.
template <class Word, bool kScatter>
__global__ void __launch_bounds__(kPackThreads)
    move_kernel(int64_t rows, int64_t width, const int32_t* index, const Word* from, int64_t ld_from,
                Word* to, int64_t ld_to) {
  over_plane(rows, width, [&](int64_t row, int64_t word) {
    const int64_t other = index[row], source = kScatter ? row : other, target = kScatter ? other : row;
    to[target * ld_to + word] = from[source * ld_from + word];
  });
}

template <class Word, bool kScatter>
swirl_status move_words(swirl_device* device, const char* op, int64_t rows, int64_t row_bytes,
                        const int32_t* index, const void* from, int64_t from_bytes, void* to,
                        int64_t to_bytes) {
  constexpr int64_t kBytes = sizeof(Word);
  const Plane p = plane(device, rows, row_bytes / kBytes);
  return launch(device, op, move_kernel<Word, kScatter>, p.grid, p.block, 0, rows, row_bytes / kBytes, index,
                static_cast<const Word*>(from), from_bytes / kBytes, static_cast<Word*>(to),
                to_bytes / kBytes);
}

// In words of 16 bytes where everything is a multiple of them, else of one element.
template <bool kScatter>
swirl_status move_rows(swirl_device* device, const char* op, int32_t rows, int32_t width,
                       const int32_t* index, const void* from, int32_t ld_from, void* to, int32_t ld_to,
                       swirl_dtype dtype) {
  const int64_t element = size_of(dtype);
  const int64_t row = width * element, from_row = ld_from * element, to_row = ld_to * element;
  const uintptr_t all = reinterpret_cast<uintptr_t>(from) | reinterpret_cast<uintptr_t>(to) |
                        static_cast<uintptr_t>(row | from_row | to_row);
  if (all % 16 == 0)
    return move_words<uint4, kScatter>(device, op, rows, row, index, from, from_row, to, to_row);
  if (element == 4)
    return move_words<uint32_t, kScatter>(device, op, rows, row, index, from, from_row, to, to_row);
  return move_words<uint16_t, kScatter>(device, op, rows, row, index, from, from_row, to, to_row);
}

__global__ void __launch_bounds__(kPackThreads)
    scatter_add_kernel(int64_t rows, int64_t width, const int32_t* index, const float* from, int64_t ld_from,
                       float* to, int64_t ld_to, bool aligned) {
  over_packs(rows, width, [&](int64_t row, int64_t at, int64_t left) {
    float* target = to + static_cast<int64_t>(index[row]) * ld_to + at;
    float x[kPack], sum[kPack];
    load_pack(from + row * ld_from + at, left, aligned, x);
    load_pack(target, left, aligned, sum);
#pragma unroll
    for (int i = 0; i < kPack; ++i) sum[i] += x[i];
    store_pack(target, left, aligned, sum);
  });
}

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    convert_rows_kernel(int64_t rows, int64_t width, const float* from, int64_t ld_from, const float* factor,
                        T* to, int64_t ld_to, bool aligned) {
  over_packs(rows, width, [&](int64_t row, int64_t at, int64_t left) {
    float x[kPack];
    load_pack(from + row * ld_from + at, left, aligned, x);
    if (factor != nullptr) {
      float scale[kPack];
      load_pack(factor + at, left, aligned, scale);
#pragma unroll
      for (int i = 0; i < kPack; ++i) x[i] *= scale[i];
    }
    store_pack(to + row * ld_to + at, left, aligned, x);
  });
}

}  // namespace

swirl_status gather_rows(swirl_device* device, int32_t rows, int32_t width, const int32_t* index,
                         const void* from, int32_t ld_from, void* to, int32_t ld_to, swirl_dtype dtype) {
  return move_rows<false>(device, "gather_rows", rows, width, index, from, ld_from, to, ld_to, dtype);
}

swirl_status scatter_rows(swirl_device* device, int32_t rows, int32_t width, const int32_t* index,
                          const void* from, int32_t ld_from, void* to, int32_t ld_to, swirl_dtype dtype) {
  return move_rows<true>(device, "scatter_rows", rows, width, index, from, ld_from, to, ld_to, dtype);
}

swirl_status scatter_add_rows(swirl_device* device, int32_t rows, int32_t width, const int32_t* index,
                              const float* from, int32_t ld_from, float* to, int32_t ld_to) {
  const Plane p = plane(device, rows, ceil_div(width, kPack));
  return launch(device, "scatter_add_rows", scatter_add_kernel, p.grid, p.block, 0, rows, width, index, from,
                ld_from, to, ld_to, aligned_rows(from, ld_from) && aligned_rows(to, ld_to));
}

swirl_status convert_rows(swirl_device* device, int32_t rows, int32_t width, const float* from,
                          int32_t ld_from, const float* factor, void* to, int32_t ld_to, swirl_dtype dtype) {
  const Plane p = plane(device, rows, ceil_div(width, kPack));
  return with_type(dtype, [&](auto* null) {
    auto* target = static_cast<decltype(null)>(to);
    return launch(device, "convert_rows", convert_rows_kernel<std::remove_pointer_t<decltype(null)>>, p.grid,
                  p.block, 0, rows, width, from, ld_from, factor, target, ld_to,
                  aligned_rows(from, ld_from) && aligned_rows(target, ld_to) && aligned_rows(factor, 0));
  });
}

}  // namespace swirl::cuda
