#include "cuda/emulator/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// swirl_switch(void** save, void* load): the callee-saved registers are pushed onto the stack being left.
asm(R"(
.text
.type swirl_switch, @function
swirl_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size swirl_switch, .-swirl_switch
)");
extern "C" void swirl_switch(void** save, void* load);
#endif

namespace swirl::emulator {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStackBytes = 1024 * 1024;  // AddressSanitizer's frames are several times larger
#else
constexpr size_t kStackBytes = 256 * 1024;
#endif

void (*entry_point)() = nullptr;
Context* left = nullptr;

void arrive([[maybe_unused]] Context* here) {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(here == nullptr ? nullptr : here->fake_stack, &bottom, &bytes);
  left->stack = {static_cast<unsigned char*>(const_cast<void*>(bottom)), bytes};
#endif
}

[[noreturn]] void begin() {
  arrive(nullptr);
  entry_point();
  std::abort();  // entry never returns
}

}  // namespace

Stack Stacks::take() {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void* memory = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
    std::fprintf(stderr, "emulator: no memory for a thread's stack of %zu bytes\n", kStackBytes);
    std::abort();
  }
  return {static_cast<unsigned char*>(memory) + kGuardBytes, kStackBytes};
}

void prepare(Context* context, Stack stack, void (*entry)()) {
  entry_point = entry;
  context->stack = stack;
  context->fake_stack = nullptr;
#if defined(__x86_64__)
  // As if swirl_switch had been called on it: six registers, then `begin` as the return address. At its first
  // instruction the stack pointer is 8 short of a multiple of 16, as after a call.
  void** top = reinterpret_cast<void**>(stack.bottom + stack.bytes) - 2;
  *top = reinterpret_cast<void*>(&begin);
  for (int i = 1; i <= 6; ++i) top[-i] = nullptr;
  context->stack_pointer = top - 6;
#else
  getcontext(&context->machine);
  context->machine.uc_stack.ss_sp = stack.bottom;
  context->machine.uc_stack.ss_size = stack.bytes;
  context->machine.uc_link = nullptr;
  makecontext(&context->machine, begin, 0);
#endif
}

void switch_to(Context* from, Context* to, [[maybe_unused]] bool last) {
  left = from;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(last ? nullptr : &from->fake_stack, to->stack.bottom, to->stack.bytes);
#endif
#if defined(__x86_64__)
  swirl_switch(&from->stack_pointer, to->stack_pointer);
#else
  swapcontext(&from->machine, &to->machine);
#endif
  arrive(from);
}

}  // namespace swirl::emulator
