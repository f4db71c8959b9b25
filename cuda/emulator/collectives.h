// Barriers, shuffles and votes as real barriers of threads.
#ifndef SWIRL_CUDA_EMULATOR_COLLECTIVES_H_
#define SWIRL_CUDA_EMULATOR_COLLECTIVES_H_

#include <cstdint>
#include <cstring>

#include "cuda/emulator/barrier.h"

// The file and line of the caller are passed as default arguments.
#define SWIRL_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(SWIRL_CALLER) {
  swirl::emulator::block_barrier({"__syncthreads", file, line}, nullptr, nullptr);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, SWIRL_CALLER) {
  swirl::emulator::warp_barrier(mask, {"__syncwarp", file, line}, nullptr, swirl::emulator::order_memory);
}

namespace swirl::emulator {

struct Vote {
  int value;
  unsigned result;
};

inline unsigned count_block(const Site& site, int value) {
  Vote vote = {value, 0};
  block_barrier(site, &vote, [](void* const* votes, int threads) {
    unsigned count = 0;
    for (int i = 0; i < threads; ++i) count += static_cast<Vote*>(votes[i])->value != 0;
    for (int i = 0; i < threads; ++i) static_cast<Vote*>(votes[i])->result = count;
  });
  return vote.result;
}

inline unsigned ballot(unsigned mask, const Site& site, int value) {
  Vote vote = {value, 0};
  warp_barrier(mask, site, &vote, [](void* const* votes, uint32_t lanes) {
    unsigned bits = 0;
    for (int i = 0; i < kLanes; ++i)
      if ((lanes >> i & 1u) != 0 && static_cast<Vote*>(votes[i])->value != 0) bits |= 1u << i;
    for (int i = 0; i < kLanes; ++i)
      if ((lanes >> i & 1u) != 0) static_cast<Vote*>(votes[i])->result = bits;
  });
  return vote.result;
}

// A lane's input and output of a shuffle.
template <class T>
struct Shuffle {
  T value;
  int source;  // lane to read
  T result;
};

template <class T>
T shuffle(unsigned mask, const Site& site, T value, int source) {
  Shuffle<T> own = {value, source, value};
  warp_barrier(mask, site, &own, [](void* const* lanes, uint32_t present) {
    for (int i = 0; i < kLanes; ++i) {
      if ((present >> i & 1u) == 0) continue;
      auto* reader = static_cast<Shuffle<T>*>(lanes[i]);
      // Reading a lane outside the mask is undefined on a GPU: return a value that spoils every sum.
      if (lanes[reader->source] == nullptr) {
        std::memset(static_cast<void*>(&reader->result), 0xff, sizeof(T));
      } else {
        reader->result = static_cast<Shuffle<T>*>(lanes[reader->source])->value;
      }
    }
  });
  return own.result;
}

}  // namespace swirl::emulator

inline int __syncthreads_count(int value, SWIRL_CALLER) {
  return static_cast<int>(swirl::emulator::count_block({"__syncthreads_count", file, line}, value));
}

inline unsigned __ballot_sync(unsigned mask, int value, SWIRL_CALLER) {
  return swirl::emulator::ballot(mask, {"__ballot_sync", file, line}, value);
}
inline int __any_sync(unsigned mask, int value, SWIRL_CALLER) {
  return swirl::emulator::ballot(mask, {"__any_sync", file, line}, value) != 0;
}
inline int __all_sync(unsigned mask, int value, SWIRL_CALLER) {
  return swirl::emulator::ballot(mask, {"__all_sync", file, line}, value) == mask;
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, SWIRL_CALLER) {
  const int first = swirl::emulator::lane() / width * width;
  return swirl::emulator::shuffle(mask, {"__shfl_sync", file, line}, value, first + (source & (width - 1)));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, SWIRL_CALLER) {
  const int lane = swirl::emulator::lane(), source = lane ^ bits;
  const int end = lane / width * width + width;
  return swirl::emulator::shuffle(mask, {"__shfl_xor_sync", file, line}, value, source < end ? source : lane);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, SWIRL_CALLER) {
  const int lane = swirl::emulator::lane(), source = lane - static_cast<int>(distance);
  return swirl::emulator::shuffle(mask, {"__shfl_up_sync", file, line}, value,
                                  source >= lane / width * width ? source : lane);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, SWIRL_CALLER) {
  const int lane = swirl::emulator::lane(), source = lane + static_cast<int>(distance);
  return swirl::emulator::shuffle(mask, {"__shfl_down_sync", file, line}, value,
                                  source < lane / width * width + width ? source : lane);
}

#undef SWIRL_CALLER

#endif  // SWIRL_CUDA_EMULATOR_COLLECTIVES_H_
