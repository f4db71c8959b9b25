// CUDA's arithmetic, bit and atomic functions that C++ does not have. Float atomics are missing on purpose:
// their order is not fixed, so no kernel may use them.
#ifndef SWIRL_CUDA_EMULATOR_INTRINSICS_H_
#define SWIRL_CUDA_EMULATOR_INTRINSICS_H_

// --- words as floats
inline unsigned __float_as_uint(float x) {
  unsigned out;
  std::memcpy(&out, &x, 4);
  return out;
}
inline int __float_as_int(float x) { return static_cast<int>(__float_as_uint(x)); }
inline float __uint_as_float(unsigned x) {
  float out;
  std::memcpy(&out, &x, 4);
  return out;
}
inline float __int_as_float(int x) { return __uint_as_float(static_cast<unsigned>(x)); }

// --- arithmetic
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __tanhf(float x) { return std::tanh(x); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
// Never contracted: the compiler sees a product or a sum alone.
__attribute__((noinline)) inline float __fmul_rn(float x, float y) { return x * y; }
__attribute__((noinline)) inline float __fadd_rn(float x, float y) { return x + y; }
__attribute__((noinline)) inline float __fsub_rn(float x, float y) { return x - y; }
__attribute__((noinline)) inline double __dmul_rn(double x, double y) { return x * y; }
__attribute__((noinline)) inline double __dadd_rn(double x, double y) { return x + y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline double __fma_rn(double x, double y, double z) { return std::fma(x, y, z); }
inline int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
inline int __float2int_rd(float x) { return static_cast<int>(std::floor(x)); }

using std::max;
using std::min;

// --- bits
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline unsigned __brev(unsigned x) {
  unsigned out = 0;
  for (int i = 0; i < 32; ++i) out |= (x >> i & 1u) << (31 - i);
  return out;
}

// --- memory
template <class T>
T __ldg(const T* pointer) {
  return *pointer;
}
template <class T>
T __ldcs(const T* pointer) {
  return *pointer;
}
template <class T>
T __ldcg(const T* pointer) {
  return *pointer;
}
template <class T>
void __stcs(T* pointer, T value) {
  *pointer = value;
}
inline void __threadfence() {}
inline void __threadfence_block() {}

#define SWIRL_ATOMIC(type)                                                                          \
  inline type atomicAdd(type* at, type x) { return __atomic_fetch_add(at, x, __ATOMIC_SEQ_CST); }   \
  inline type atomicExch(type* at, type x) { return __atomic_exchange_n(at, x, __ATOMIC_SEQ_CST); } \
  inline type atomicMax(type* at, type x) {                                                         \
    const type before = *at;                                                                        \
    if (x > before) *at = x;                                                                        \
    return before;                                                                                  \
  }                                                                                                 \
  inline type atomicMin(type* at, type x) {                                                         \
    const type before = *at;                                                                        \
    if (x < before) *at = x;                                                                        \
    return before;                                                                                  \
  }                                                                                                 \
  inline type atomicCAS(type* at, type expected, type x) {                                          \
    const type before = *at;                                                                        \
    if (before == expected) *at = x;                                                                \
    return before;                                                                                  \
  }
SWIRL_ATOMIC(int)
SWIRL_ATOMIC(unsigned)
SWIRL_ATOMIC(unsigned long long)
#undef SWIRL_ATOMIC
inline unsigned atomicOr(unsigned* at, unsigned x) { return __atomic_fetch_or(at, x, __ATOMIC_SEQ_CST); }
inline unsigned atomicAnd(unsigned* at, unsigned x) { return __atomic_fetch_and(at, x, __ATOMIC_SEQ_CST); }
inline unsigned atomicInc(unsigned* at, unsigned limit) {
  const unsigned before = *at;
  *at = before >= limit ? 0 : before + 1;
  return before;
}

#endif  // SWIRL_CUDA_EMULATOR_INTRINSICS_H_
