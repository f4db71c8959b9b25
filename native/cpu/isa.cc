#include "native/cpu/isa.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__) && !defined(SWIRL_PLAIN_ONLY)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace swirl {
namespace {

#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)

// CPUID leaf 7, sub-leaf 1: AVX512_BF16 is EAX bit 5.
bool has_avx512_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5 & 1u) != 0;
}

// CPUID leaf 7: AMX-BF16 is EDX bit 22, AMX-TILE bit 24. Linux grants the tile registers only on request.
bool has_amx_bf16() {
#if defined(SWIRL_AMX_EMULATED)  // gemm_tiles.inl
  const char* wish = std::getenv("SWIRL_ISA");
  return wish != nullptr && std::strcmp(wish, "amx_bf16") == 0;
#elif defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  if ((d >> 22 & 1u) == 0 || (d >> 24 & 1u) == 0) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Isa processor() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::kPlain;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (!avx512) return Isa::kAvx2;
  if (!has_avx512_bf16()) return Isa::kAvx512;
  return has_amx_bf16() ? Isa::kAmxBf16 : Isa::kAvx512Bf16;
}

#else

Isa processor() { return Isa::kPlain; }

#endif

Isa allowed() {
  const char* wish = std::getenv("SWIRL_ISA");
  if (wish != nullptr) {
    for (const Isa level : {Isa::kPlain, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16}) {
      if (std::strcmp(wish, isa_name(level)) == 0) return level;
    }
  }
  return Isa::kAmxBf16;
}

}  // namespace

Isa isa() {
  static const Isa found = [] {
    const Isa have = processor();
    const Isa limit = allowed();
    return have < limit ? have : limit;
  }();
  return found;
}

const char* isa_name(Isa level) {
  switch (level) {
    case Isa::kPlain:
      return "plain";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Bf16:
      return "avx512_bf16";
    case Isa::kAmxBf16:
      return "amx_bf16";
  }
  return "unknown";
}

std::string isa_list() {
  if (isa() == Isa::kPlain) return "plain";
  std::string list;
  for (const Isa level : {Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmxBf16}) {
    if (level > isa()) break;
    if (!list.empty()) list += ',';
    list += isa_name(level);
  }
  return list;
}

}  // namespace swirl
