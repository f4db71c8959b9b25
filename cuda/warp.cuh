// Shared by most kernels: values as float, loads of 16 bytes, and sums and maxima over a warp or a
// block in one fixed order, so that a repeated call gives the same bits.
#ifndef SWIRL_CUDA_WARP_CUH_
#define SWIRL_CUDA_WARP_CUH_

#include <cstdint>

#include "cuda/platform.cuh"

namespace swirl::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// --- values -----------------------------------------------------------------------------------------------

__host__ __device__ __forceinline__ float to_float(float x) { return x; }
__host__ __device__ __forceinline__ float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

// Rounds to nearest even.
template <class T>
__host__ __device__ __forceinline__ T from_float(float x);
template <>
__host__ __device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
__host__ __device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// Calls a generic lambda with a null pointer of the type behind a swirl_dtype: the type is passed as an argument.
template <class Body>
swirl_status with_type(swirl_dtype dtype, const Body& body) {
  return dtype == SWIRL_FLOAT32 ? body(static_cast<float*>(nullptr))
                                : body(static_cast<__nv_bfloat16*>(nullptr));
}

// --- 16 bytes at a time -----------------------------------------------------------------------------------

// Elements of T in 16 bytes.
template <class T>
constexpr int kVector = 16 / static_cast<int>(sizeof(T));

// Whether rows of T at `pointer` with a distance of `ld` elements all begin at 16-byte boundaries and hold
// whole vectors. Decide it once per call on the host, for every operand; a row must be computed the same way
// on both paths.
template <class T>
bool vectorizes(const void* pointer, int64_t ld, int64_t width) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && ld % kVector<T> == 0 && width % kVector<T> == 0;
}

// `from` is 16-byte aligned.
__device__ __forceinline__ void load_vector(const float* from, float (&to)[4]) {
  const float4 word = *reinterpret_cast<const float4*>(from);
  to[0] = word.x, to[1] = word.y, to[2] = word.z, to[3] = word.w;
}
__device__ __forceinline__ void load_vector(const __nv_bfloat16* from, float (&to)[8]) {
  const uint4 word = *reinterpret_cast<const uint4*>(from);
  const uint32_t pair[4] = {word.x, word.y, word.z, word.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = __uint_as_float(pair[i] << 16);
    to[2 * i + 1] = __uint_as_float(pair[i] & 0xffff0000u);
  }
}

// Two floats as two bfloat16 in a word, the first in the low half.
__device__ __forceinline__ uint32_t pack_bfloat16(float low, float high) {
  return static_cast<uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(low))) |
         static_cast<uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
}

// `to` is 16-byte aligned.
__device__ __forceinline__ void store_vector(float* to, const float (&from)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}
__device__ __forceinline__ void store_vector(__nv_bfloat16* to, const float (&from)[8]) {
  *reinterpret_cast<uint4*>(to) =
      make_uint4(pack_bfloat16(from[0], from[1]), pack_bfloat16(from[2], from[3]),
                 pack_bfloat16(from[4], from[5]), pack_bfloat16(from[6], from[7]));
}

// The first `count` (may be more than a vector, or none) of the elements at `from`, zeros after them. With
// kAligned, whole vectors are loaded as one word; without, one element at a time.
template <bool kAligned, class T>
__device__ __forceinline__ void load_some(const T* from, int64_t count, float (&to)[kVector<T>]) {
  if (kAligned && count >= kVector<T>) {
    load_vector(from, to);
    return;
  }
#pragma unroll
  for (int i = 0; i < kVector<T>; ++i) to[i] = i < count ? to_float(from[i]) : 0.0f;
}

// --- over a warp: all 32 lanes call, all get the result ---------------------------------------------------

template <class T>
__device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kAllLanes, x, distance);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, distance));
  return x;
}

// --- over a block: all threads call, all get the result ---------------------------------------------------
// Blocks are one-dimensional, whole warps, at most 1024 threads. kThreads is the block's size if it is
// known; 0 uses blockDim.x. They begin and end with a barrier: shared memory written before is visible
// after.

template <int kThreads = 0, class T>
__device__ __forceinline__ T block_sum(T x) {
  const int threads = kThreads > 0 ? kThreads : static_cast<int>(blockDim.x);
  x = warp_sum(x);
  if (threads == kWarp) {
    __syncwarp();
    return x;
  }
  __shared__ T partial[kWarp];
  const int thread = static_cast<int>(threadIdx.x);
  if (thread % kWarp == 0) partial[thread / kWarp] = x;
  __syncthreads();
  x = thread % kWarp < threads / kWarp ? partial[thread % kWarp] : T(0);
  x = warp_sum(x);
  __syncthreads();  // partial can be reused
  return x;
}

template <int kThreads = 0>
__device__ __forceinline__ float block_max(float x) {
  const int threads = kThreads > 0 ? kThreads : static_cast<int>(blockDim.x);
  x = warp_max(x);
  if (threads == kWarp) {
    __syncwarp();
    return x;
  }
  __shared__ float partial[kWarp];
  const int thread = static_cast<int>(threadIdx.x);
  if (thread % kWarp == 0) partial[thread / kWarp] = x;
  __syncthreads();
  x = thread % kWarp < threads / kWarp ? partial[thread % kWarp] : -INFINITY;
  x = warp_max(x);
  __syncthreads();
  return x;
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_WARP_CUH_
