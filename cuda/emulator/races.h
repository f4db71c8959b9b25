// The race detector. In a build with SWIRL_EMULATOR_RACES the compiler calls access_hooks.cc before every access of a
// kernel to memory, and two accesses to the same byte, of two threads, one of them a write, with no barrier between,
// stop the launch with both places in the source. In any other build these functions are empty.
//
// What orders two accesses: __syncthreads within the block; __syncwarp among the lanes of its mask. Shuffles, votes and
// the tile instructions wait for lanes, but CUDA promises no order of memory for them. Nothing orders the blocks of a
// launch. Two atomics never race.
#ifndef SWIRL_CUDA_EMULATOR_RACES_H_
#define SWIRL_CUDA_EMULATOR_RACES_H_

#include <cstddef>
#include <cstdint>

namespace swirl::emulator::races {

enum class Access { kRead, kWrite, kAtomic };

#if defined(SWIRL_EMULATOR_RACES)

void launch_begins(size_t warps);
void launch_ends();
void block_begins();

// Every thread of the block has reached the barrier.
void block_synchronized();
// The lanes of `mask` of this warp have.
void warp_synchronized(int warp, uint32_t mask);

// An access by a thread of the block, at an address of the program's code that follows the access. Memory that is
// neither shared nor the device's is no matter.
void access(int thread, const void* address, size_t bytes, Access, const void* code);

// An asynchronous copy of the running thread: from its issue to its wait nobody else may touch the 16 bytes that it
// writes, and nobody may write those that it reads (null: none). `issue` is what copy_issued returned.
uint32_t copy_issued(const void* shared, const void* global, const void* code);
void copy_waited(const void* shared, const void* global, uint32_t issue, const void* code);

#else

inline void launch_begins(size_t) {}
inline void launch_ends() {}
inline void block_begins() {}
inline void block_synchronized() {}
inline void warp_synchronized(int, uint32_t) {}
inline void access(int, const void*, size_t, Access, const void*) {}
inline uint32_t copy_issued(const void*, const void*, const void*) { return 0; }
inline void copy_waited(const void*, const void*, uint32_t, const void*) {}

#endif

}  // namespace swirl::emulator::races

#endif  // SWIRL_CUDA_EMULATOR_RACES_H_
