// Includes the file named by SWIRL_BODY once per instruction set, each time in a namespace of its own
// (swirl::plain, swirl::avx2, swirl::avx512) and compiled for it. SWIRL_DISPATCH (isa.h) then calls the best
// one the processor has. A body sees the vector operations of simd.h. It has no include guard on purpose.
// SWIRL_PLAIN_ONLY leaves the vector instruction sets out: a build with sanitizers takes many minutes with them.
// Standard headers must be included before this file, never by a body: their inline functions must not be
// compiled for a higher target.
#include "native/cpu/simd.h"

#define SWIRL_ISA plain
#include SWIRL_BODY
#undef SWIRL_ISA

#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define SWIRL_ISA avx2
#include SWIRL_BODY
#undef SWIRL_ISA
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
#include SWIRL_BODY
#undef SWIRL_ISA
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

// With SWIRL_WITH_PAIRS a fourth time, in swirl::avx512_bf16 and with SWIRL_PAIRS set: bfloat16 dot products.
#if defined(SWIRL_WITH_PAIRS)
#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,prefer-vector-width=512")
#endif
#define SWIRL_ISA avx512_bf16
#define SWIRL_PAIRS
#include SWIRL_BODY
#undef SWIRL_PAIRS
#undef SWIRL_ISA
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif  // SWIRL_WITH_PAIRS

#endif  // __x86_64__
#undef SWIRL_BODY
