// One block of a launch: its threads as fibers that run until they reach a barrier (barrier.h) or return.
#ifndef SWIRL_CUDA_EMULATOR_BLOCK_H_
#define SWIRL_CUDA_EMULATOR_BLOCK_H_

#include "cuda/emulator/thread.h"

namespace swirl::emulator {

// Runs the block at position.block_index, of these sizes, to its end. Returns false with the launch's error set when a
// thread did something forbidden, when threads wait forever, or when something wrote past the end of dynamic
// shared memory.
bool run_block(Index sizes);

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_BLOCK_H_
