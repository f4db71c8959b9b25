// bfloat16 as storage: the upper half of a float32. Arithmetic happens in float32.
// Rounding is to nearest even; a NaN stays a NaN.
#ifndef SWIRL_CPU_BFLOAT16_H_
#define SWIRL_CPU_BFLOAT16_H_

#include <cstdint>
#include <cstring>

namespace swirl {

struct bfloat16 {
  uint16_t bits;
};

inline float to_float(bfloat16 x) {
  const uint32_t word = static_cast<uint32_t>(x.bits) << 16;
  float out;
  std::memcpy(&out, &word, 4);
  return out;
}
inline float to_float(float x) { return x; }

inline bfloat16 to_bfloat16(float x) {
  uint32_t word;
  std::memcpy(&word, &x, 4);
  if ((word & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((word >> 16) | 0x40u)};
  return {static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16)};
}

inline void assign(float& to, float x) { to = x; }
inline void assign(bfloat16& to, float x) { to = to_bfloat16(x); }

}  // namespace swirl

#endif  // SWIRL_CPU_BFLOAT16_H_
