// Float32 vectors for each instruction set: swirl::plain, swirl::avx2 and swirl::avx512 hold the same names
// (simd.inl), so a body included by each_isa.h is written once.
#ifndef SWIRL_CPU_SIMD_H_
#define SWIRL_CPU_SIMD_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "native/cpu/bfloat16.h"

#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
#include <immintrin.h>
#endif

#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"                // vectors cross no compiled boundary
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 headers (GCC bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"        // the same
#endif

#define SWIRL_INLINE static inline __attribute__((always_inline))

#define SWIRL_ISA plain
#define SWIRL_LANES 4
#define SWIRL_LEVEL 0
#include "native/cpu/simd.inl"
#undef SWIRL_ISA
#undef SWIRL_LANES
#undef SWIRL_LEVEL

#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define SWIRL_ISA avx2
#define SWIRL_LANES 8
#define SWIRL_LEVEL 1
#include "native/cpu/simd.inl"
#undef SWIRL_ISA
#undef SWIRL_LANES
#undef SWIRL_LEVEL
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#endif
#define SWIRL_ISA avx512
#define SWIRL_LANES 16
#define SWIRL_LEVEL 2
#include "native/cpu/simd.inl"
#undef SWIRL_ISA
#undef SWIRL_LANES
#undef SWIRL_LEVEL
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

// AVX-512 with bfloat16 dot products: the same vectors, one instruction more.
namespace swirl {
namespace avx512_bf16 {
using namespace avx512;
}
}  // namespace swirl

#endif  // __x86_64__
#endif  // SWIRL_CPU_SIMD_H_
