// The part of CUDA C++ that the kernels use, for a plain C++ compiler: keywords, built-in variables and
// vectors. With it a .cu file is C++.
#ifndef SWIRL_CUDA_EMULATOR_LANGUAGE_H_
#define SWIRL_CUDA_EMULATOR_LANGUAGE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "cuda/emulator/thread.h"

#define __global__
#define __device__
#define __host__
#if defined(SWIRL_EMULATOR_RACES)
#define __forceinline__ inline __attribute__((always_inline))  // a race's place has its callers
#else
#define __forceinline__ inline
#endif
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
// One for the OS thread that runs the blocks; NaN when a block begins (shared_memory.h): never initialize it.
#define __shared__ static thread_local

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

#define threadIdx (::swirl::emulator::position.thread)
#define blockIdx (::swirl::emulator::position.block_index)
#define blockDim (::swirl::emulator::position.block)
#define gridDim (::swirl::emulator::position.grid)

#define SWIRL_VECTOR(type, name, bytes2, bytes4)                                 \
  struct alignas(bytes2) name##2 {                                               \
    type x, y;                                                                   \
  };                                                                             \
  struct name##3 {                                                               \
    type x, y, z;                                                                \
  };                                                                             \
  struct alignas(bytes4) name##4 {                                               \
    type x, y, z, w;                                                             \
  };                                                                             \
  constexpr name##2 make_##name##2(type x, type y) { return {x, y}; }            \
  constexpr name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; } \
  constexpr name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
SWIRL_VECTOR(float, float, 8, 16)
SWIRL_VECTOR(int, int, 8, 16)
SWIRL_VECTOR(unsigned, uint, 8, 16)
SWIRL_VECTOR(short, short, 4, 8)
SWIRL_VECTOR(unsigned short, ushort, 4, 8)
SWIRL_VECTOR(double, double, 16, 16)
#undef SWIRL_VECTOR

#include "cuda/emulator/bfloat16.h"
#include "cuda/emulator/collectives.h"
#include "cuda/emulator/intrinsics.h"

#endif  // SWIRL_CUDA_EMULATOR_LANGUAGE_H_
