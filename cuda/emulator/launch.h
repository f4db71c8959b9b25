// The current launch: its threads and warps, and where each waits. Shared by the files that run it; kernels
// do not see it. There is one at a time: entries of the kernel table exclude each other (memory.h).
#ifndef SWIRL_CUDA_EMULATOR_LAUNCH_H_
#define SWIRL_CUDA_EMULATOR_LAUNCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cuda/emulator/barrier.h"
#include "cuda/emulator/fiber.h"
#include "cuda/emulator/grid.h"
#include "cuda/emulator/order.h"
#include "cuda/emulator/thread.h"

namespace swirl::emulator {

struct AsyncCopy {
  void* shared;
  const void* global;
  bool valid;
  int group;
  uint32_t issue;  // races.h
};

struct Thread {
  Context context;
  Index index;
  int number = 0;
  bool started = false;
  // The warp barrier it waits at; mask 0: at none.
  uint32_t mask = 0;
  Site site = {};
  void* argument = nullptr;
  Thread* first = nullptr;  // of those at that barrier, the first to come
  uint32_t arrived = 0;     // of the first: the lanes that have come
  std::vector<AsyncCopy> copies;
  int groups = 0;  // of copies, closed so far
};

struct Warp {
  uint32_t present = 0;  // lanes that exist
  uint32_t ready = 0;
  uint32_t done = 0;
  uint32_t waiting = 0;     // at a barrier of the warp
  uint32_t at_barrier = 0;  // of the block
};

struct Launch {
  const char* op = "";
  const Call* call = nullptr;
  Context scheduler;
  Stacks stacks;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  Thread* running = nullptr;
  Thread* returned = nullptr;  // its stack can be reused once it is left
  // The barrier of the whole block.
  int waiting = 0, done = 0;
  Site barrier = {};
  std::vector<void*> arguments;
  bool failed = false;
  bool watched = false;        // by the race detector
  const void* code = nullptr;  // after the call of the operation that all lanes of a warp have reached
  Order order;
  char error[1024] = "";
};
extern Launch launch;

inline Thread& thread_of(int warp, int lane) {
  return launch.threads[static_cast<size_t>(warp * kLanes + lane)];
}
// A thread that waits at a barrier of its warp for this one; null when none does.
const Thread* waiting_for(const Thread&);

// Continues in the scheduler. `last`: the thread never runs again.
void leave(Thread*, bool last);

// For errors: "op: block (0, 0, 0), thread (1, 0, 0)" and "__syncthreads at file.cu:12".
std::string where(const Thread&);
std::string text(const Site&);

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_LAUNCH_H_
