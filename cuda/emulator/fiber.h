// Threads of a block as fibers: stacks that one OS thread switches between. A switch is a few instructions on
// x86-64, swapcontext elsewhere. AddressSanitizer is notified of every switch.
#ifndef SWIRL_CUDA_EMULATOR_FIBER_H_
#define SWIRL_CUDA_EMULATOR_FIBER_H_

#include <cstddef>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace swirl::emulator {

// A piece of memory to run on, with kGuardBytes below it that cannot be touched.
constexpr size_t kGuardBytes = 64 * 1024;
struct Stack {
  unsigned char* bottom = nullptr;
  size_t bytes = 0;
};

// Stacks are kept and reused, the last one returned first: a block whose threads never wait runs all of them on one
// warm stack.
class Stacks {
 public:
  Stack take();
  void put(Stack stack) { free_.push_back(stack); }

 private:
  std::vector<Stack> free_;
};

// A suspended point of execution.
struct Context {
  Stack stack;  // of the OS thread's own context: known to AddressSanitizer only
  void* fake_stack = nullptr;
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t machine;
#endif
};

// Makes `context` begin with entry(), which never returns, on `stack`.
void prepare(Context* context, Stack stack, void (*entry)());

// Saves the current point of execution in `from` and continues at `to`. `last`: `from` never runs again.
void switch_to(Context* from, Context* to, bool last = false);

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_FIBER_H_
