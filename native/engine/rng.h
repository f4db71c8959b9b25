// Counter-based random numbers: a value is a pure function of (seed, stream, counter), so a
// completion does not depend on its batch. The mixer is splitmix64's finalizer (Steele, Lea, Flood 2014).
#ifndef SWIRL_ENGINE_RNG_H_
#define SWIRL_ENGINE_RNG_H_

#include <cstdint>

namespace swirl {

inline uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// In [0, 1), 24 bits.
inline float uniform(uint64_t seed, uint64_t stream, uint64_t counter) {
  return static_cast<float>(mix64(mix64(mix64(seed) ^ stream) ^ counter) >> 40) * 0x1p-24f;
}

}  // namespace swirl

#endif  // SWIRL_ENGINE_RNG_H_
