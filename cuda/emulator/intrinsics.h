// CUDA's arithmetic, bit and atomic functions that C++ does not have, as far as the kernels use them. Float
// atomics are missing on purpose: their order is not fixed, so no kernel may use them.
#ifndef SWIRL_CUDA_EMULATOR_INTRINSICS_H_
#define SWIRL_CUDA_EMULATOR_INTRINSICS_H_

// --- words as floats
inline unsigned __float_as_uint(float x) {
  unsigned out;
  std::memcpy(&out, &x, 4);
  return out;
}
inline float __uint_as_float(unsigned x) {
  float out;
  std::memcpy(&out, &x, 4);
  return out;
}

// --- arithmetic
// Never contracted: the compiler sees a product or a sum alone.
__attribute__((noinline)) inline float __fmul_rn(float x, float y) { return x * y; }
__attribute__((noinline)) inline float __fadd_rn(float x, float y) { return x + y; }
__attribute__((noinline)) inline float __fsub_rn(float x, float y) { return x - y; }
__attribute__((noinline)) inline double __dadd_rn(double x, double y) { return x + y; }

using std::max;
using std::min;

// --- bits
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }

// --- integer atomics
__forceinline__ int atomicAdd(int* at, int x) { return __atomic_fetch_add(at, x, __ATOMIC_SEQ_CST); }
__forceinline__ unsigned atomicAdd(unsigned* at, unsigned x) {
  return __atomic_fetch_add(at, x, __ATOMIC_SEQ_CST);
}
__forceinline__ unsigned long long atomicAdd(unsigned long long* at, unsigned long long x) {
  return __atomic_fetch_add(at, x, __ATOMIC_SEQ_CST);
}
__forceinline__ unsigned atomicOr(unsigned* at, unsigned x) {
  return __atomic_fetch_or(at, x, __ATOMIC_SEQ_CST);
}

#endif  // SWIRL_CUDA_EMULATOR_INTRINSICS_H_
