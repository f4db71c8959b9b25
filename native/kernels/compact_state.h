// The formats of compact optimizer state, and the random bits that round it. Every device uses these definitions, so
// that state can move between devices.
//
// Moments: 8 bits per element; every 32 consecutive elements of a tensor (a block) share a scale of 8 bits, as in the
// OCP Microscaling formats (MX, 2023).
//   scale          E8M0: 2^(byte - 127). Byte 0 is a block of zeros.
//   first moment   E4M3: sign, 4 exponent bits of bias 7, 3 mantissa bits. 0x7f and 0xff (NaN) do not occur.
//   second moment  the same without a sign and with 5 exponent bits of bias 15. 0xff does not occur.
// The second moment spans twice the first one's exponents, because its square root divides the first.
//
// Rounding is stochastic: a value between two neighbors a < b becomes b with probability (x - a) / (b - a), so its
// expectation is x. Rounded to nearest, a moment would stay where it is whenever a step moves it by less than half of
// the gap, and a bfloat16 weight likewise. A second moment above 0 never becomes 0: the next step would divide by eps.
#ifndef SWIRL_KERNELS_COMPACT_STATE_H_
#define SWIRL_KERNELS_COMPACT_STATE_H_

#include <cstdint>
#include <cstring>

#include "native/kernels/kernels.h"
#include "native/kernels/mix64.h"

namespace swirl {

constexpr int kMomentBlock = SWIRL_MOMENT_BLOCK;

// A code below 8 is subnormal. `base`: the smallest normal value's float32 bits, shifted right by 20. `top`: exponent
// of the largest value, 1.75 · 2^top.
struct MomentFormat {
  uint32_t base;
  int32_t top;
  uint32_t largest;  // code
};
// Functions, because device code has no constants of a class that a reference could be bound to.
SWIRL_HOST_DEVICE constexpr MomentFormat first_moment_format() { return {121u << 3, 8, 126}; }
SWIRL_HOST_DEVICE constexpr MomentFormat second_moment_format() { return {113u << 3, 16, 254}; }

SWIRL_HOST_DEVICE inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
SWIRL_HOST_DEVICE inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// The scale byte of a block whose largest magnitude is this: the smallest with which it does not exceed 1.75 · 2^top.
SWIRL_HOST_DEVICE inline uint8_t moment_scale(const MomentFormat& f, float largest) {
  const int32_t byte = static_cast<int32_t>((bits_of(largest) + 0x1fffffu) >> 23) - f.top;
  return static_cast<uint8_t>(byte < 1 ? 1 : byte);
}
SWIRL_HOST_DEVICE inline float scale_value(uint8_t byte) { return float_of(uint32_t(byte) << 23); }
SWIRL_HOST_DEVICE inline float scale_inverse(uint8_t byte) { return float_of((254u - byte) << 23); }

// x: magnitude divided by the scale. random: 20 bits.
SWIRL_HOST_DEVICE inline uint32_t moment_code(const MomentFormat& f, float x, uint32_t random) {
  const float normal = float_of(f.base << 20);
  if (x < normal) return ((bits_of(x + normal) + random) >> 20) - f.base;
  return ((bits_of(x) + random) >> 20) - f.base + 8;
}
// The magnitude that a code stands for, divided by the scale.
SWIRL_HOST_DEVICE inline float moment_value(const MomentFormat& f, uint32_t code) {
  if (code >= 8) return float_of((code - 8 + f.base) << 20);
  return float_of((code + f.base) << 20) - float_of(f.base << 20);
}

SWIRL_HOST_DEVICE inline uint8_t first_moment_code(float x, float inverse, uint32_t random) {
  const uint32_t bits = bits_of(x);
  return static_cast<uint8_t>(
      moment_code(first_moment_format(), float_of(bits & 0x7fffffffu) * inverse, random) | bits >> 31 << 7);
}
SWIRL_HOST_DEVICE inline float first_moment(uint8_t code, float scale) {
  const float x = moment_value(first_moment_format(), code & 0x7fu) * scale;
  return code & 0x80u ? -x : x;
}
SWIRL_HOST_DEVICE inline uint8_t second_moment_code(float x, float inverse, uint32_t random) {
  const uint32_t code = moment_code(second_moment_format(), x * inverse, random);
  return static_cast<uint8_t>(code == 0 && x > 0 ? 1 : code);
}
SWIRL_HOST_DEVICE inline float second_moment(uint8_t code, float scale) {
  return moment_value(second_moment_format(), code) * scale;
}

constexpr float kLargestBfloat16 = 0x1.fep127f;
constexpr float kLargestMoment = 0x1.cp127f;  // a larger one could round to infinity

// The upper 16 bits are the weight in bfloat16. random: 16 bits.
SWIRL_HOST_DEVICE inline uint32_t rounded_weight(float x, uint32_t random) {
  return (bits_of(x) + random) & 0xffff0000u;
}

// Random bits are a pure function of (seed, step, parameter, element).
struct RoundingKeys {
  uint32_t first, second, third;
};
inline uint64_t rounding_key(const swirl_rounding& r) {
  return mix64(mix64(mix64(r.seed) ^ r.step) ^ r.parameter);
}
// high: the element's index divided by 2^32.
SWIRL_HOST_DEVICE inline RoundingKeys rounding_keys(uint64_t key, uint32_t high) {
  const uint64_t a = mix64(key ^ high), b = mix64(a);
  return {static_cast<uint32_t>(a), static_cast<uint32_t>(a >> 32), static_cast<uint32_t>(b)};
}
// A bijection of 32-bit words with low bias (Wellons, "Prospecting for hash functions", 2018).
SWIRL_HOST_DEVICE inline uint32_t mix32(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}
struct RoundingBits {
  uint32_t weight, first, second;  // 16, 20 and 20 bits, none used twice
};
// element: the low 32 bits of the index.
SWIRL_HOST_DEVICE inline RoundingBits rounding_bits(const RoundingKeys& keys, uint32_t element) {
  const uint32_t mixed = mix32(element + keys.first);
  const uint32_t a = mix32(mixed ^ keys.second), b = mix32(mixed ^ keys.third);
  return {a & 0xffffu, b >> 12, (a >> 16) << 4 | (b & 15u)};
}

}  // namespace swirl

#endif  // SWIRL_KERNELS_COMPACT_STATE_H_
