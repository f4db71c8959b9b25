// Which instruction sets this process may use: what the processor and the operating system offer, lowered by
// the environment SWIRL_ISA = plain | avx2 | avx512 | avx512_bf16 | amx_bf16 (the highest to use; for tests
// and comparisons).
#ifndef SWIRL_CPU_ISA_H_
#define SWIRL_CPU_ISA_H_

#include <string>

namespace swirl {

// Ordered: each level includes those before it.
enum class Isa { kPlain = 0, kAvx2 = 1, kAvx512 = 2, kAvx512Bf16 = 3, kAmxBf16 = 4 };

// Determined once, at the first call.
Isa isa();

// "avx2,avx512,avx512_bf16": all levels up to isa().
std::string isa_list();

// "plain", "avx2", …
const char* isa_name(Isa);

}  // namespace swirl

// Calls a function that each_isa.h compiled once per instruction set: SWIRL_DISPATCH(rows(a, b)) runs
// avx512::rows(a, b), avx2::rows(a, b) or plain::rows(a, b).
#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
#define SWIRL_DISPATCH(...)                         \
  do {                                              \
    if (::swirl::isa() >= ::swirl::Isa::kAvx512)    \
      avx512::__VA_ARGS__;                          \
    else if (::swirl::isa() == ::swirl::Isa::kAvx2) \
      avx2::__VA_ARGS__;                            \
    else                                            \
      plain::__VA_ARGS__;                           \
  } while (0)
#else
#define SWIRL_DISPATCH(...) plain::__VA_ARGS__
#endif

#endif  // SWIRL_CPU_ISA_H_
