// splitmix64's finalizer (Steele, Lea, Flood 2014): the mixer behind every counter-based random number.
#ifndef SWIRL_KERNELS_MIX64_H_
#define SWIRL_KERNELS_MIX64_H_

#include <cstdint>

#if defined(__CUDACC__)
#define SWIRL_HOST_DEVICE __host__ __device__
#else
#define SWIRL_HOST_DEVICE
#endif

namespace swirl {

SWIRL_HOST_DEVICE inline uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace swirl

#endif  // SWIRL_KERNELS_MIX64_H_
