// Counter-based random numbers: a value is a pure function of (seed, stream, counter), so a
// completion does not depend on its batch.
#ifndef SWIRL_ENGINE_RNG_H_
#define SWIRL_ENGINE_RNG_H_

#include <cstdint>

#include "../kernels/mix64.h"

namespace swirl {

// In [0, 1), 24 bits.
inline float uniform(uint64_t seed, uint64_t stream, uint64_t counter) {
  return static_cast<float>(mix64(mix64(mix64(seed) ^ stream) ^ counter) >> 40) * 0x1p-24f;
}

}  // namespace swirl

#endif  // SWIRL_ENGINE_RNG_H_
