// Points where threads wait for each other: barriers, and the operations of a warp (collectives.h, tile.h).
//
// Undefined behavior of real hardware stops the launch: a barrier that not every thread of its group reaches at
// the same place in the source, that overlaps another, or that a thread of the group missed because it returned.
#ifndef SWIRL_CUDA_EMULATOR_BARRIER_H_
#define SWIRL_CUDA_EMULATOR_BARRIER_H_

#include <cstdint>

#include "cuda/emulator/thread.h"

namespace swirl::emulator {

// The place of an operation in the source.
struct Site {
  const char* op;
  const char* file;
  int line;
};

// Every lane in `mask` calls at one site, each with an argument of its own; the last one to arrive runs
// act(arguments, mask), then all continue. A lane outside the mask has a null argument. act may be null.
void warp_barrier(uint32_t mask, const Site& site, void* argument,
                  void (*act)(void* const* arguments, uint32_t mask));
// As act: what the lanes did to memory before comes before what they do after. Other operations of a warp leave it open.
void order_memory(void* const* arguments, uint32_t mask);
// The same for every thread of the block. act(arguments, threads) may be null.
void block_barrier(const Site& site, void* argument, void (*act)(void* const* arguments, int threads));

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_BARRIER_H_
