// Sampling by inverse CDF with integers: probabilities as fixed-point numbers, whose sums are exact in any
// order, so that neither threads nor atomics can change a sample.
#ifndef SWIRL_CUDA_PICK_CUH_
#define SWIRL_CUDA_PICK_CUH_

#include <cstdint>

#include "cuda/platform.cuh"
#include "cuda/warp.cuh"

namespace swirl::cuda {

using Mass = unsigned long long;  // as atomicAdd has it

// Fixed-point value of weight 1, chosen so that `count` weights of at most 1 cannot overflow: 2^62 / count, rounded
// down to a power of two. Weights below its inverse are 0.
inline float mass_unit(int64_t count) {
  int bits = 62;
  while (bits > 24 && (int64_t(1) << (62 - bits)) < count) --bits;
  return static_cast<float>(int64_t(1) << bits);
}

// weight is in [0, 1].
__device__ __forceinline__ Mass to_mass(float weight, float unit) { return static_cast<Mass>(weight * unit); }

// The point of [0, total) at the fraction `share` in [0, 1).
__device__ __forceinline__ Mass point_at(double share, Mass total) {
  const auto point = static_cast<Mass>(share * static_cast<double>(total));
  return point < total ? point : total - 1;
}

// The sum of this thread's and all earlier threads' masses; *total gets the block's.
template <int kThreads>
__device__ __forceinline__ Mass block_prefix(Mass mass, Mass* total) {
  __shared__ Mass of_warp[kWarp];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp;
#pragma unroll
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const Mass before = __shfl_up_sync(kAllLanes, mass, distance);
    if (lane >= distance) mass += before;
  }
  if (lane == kWarp - 1) of_warp[thread / kWarp] = mass;
  __syncthreads();
  Mass all = 0;
  for (int warp = 0; warp < kThreads / kWarp; ++warp) {
    if (warp == thread / kWarp) mass += all;
    all += of_warp[warp];
  }
  __syncthreads();  // of_warp can be reused
  *total = all;
  return mass;
}

struct Picked {
  int64_t index;
  Mass rest;  // offset within it
};

// Called by a block: finds which of `count` masses, laid end to end, contains `point`, which is below their sum.
template <int kThreads, class MassAt>
__device__ __forceinline__ Picked pick(int64_t count, Mass point, const MassAt& mass_at) {
  __shared__ Picked found;
  Mass base = 0;
  for (int64_t first = 0; first < count && point >= base; first += kThreads) {
    const int64_t i = first + threadIdx.x;
    const Mass mass = i < count ? mass_at(i) : 0;
    Mass total;
    const Mass end = base + block_prefix<kThreads>(mass, &total);
    if (point < end && point >= end - mass) found = {i, point - (end - mass)};
    base += total;
  }
  __syncthreads();
  const Picked out = found;
  __syncthreads();  // found can be reused
  return out;
}

// Called by a block: adds up `count` masses.
template <int kThreads, class MassAt>
__device__ __forceinline__ Mass total_of(int64_t count, const MassAt& mass_at) {
  Mass sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += mass_at(i);
  return block_sum<kThreads>(sum);
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_PICK_CUH_
