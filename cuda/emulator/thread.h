// The running thread of an emulated kernel: where it is, and how it stops the launch.
#ifndef SWIRL_CUDA_EMULATOR_THREAD_H_
#define SWIRL_CUDA_EMULATOR_THREAD_H_

namespace swirl::emulator {

constexpr int kLanes = 32;

struct Index {
  unsigned x, y, z;
};

// Geometry of the launch, and of the running thread.
struct Position {
  Index grid, block;          // sizes
  Index block_index, thread;  // of the running thread
};
extern Position position;

// The lane of the running thread.
int lane();

// Makes this the launch's error, with the thread's place before it; never returns to the kernel.
[[noreturn]] void stop(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_THREAD_H_
