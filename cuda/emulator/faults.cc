#include "cuda/emulator/faults.h"

#include <cstddef>

#include "cuda/emulator/launch.h"
#include "cuda/emulator/memory.h"

namespace swirl::emulator {

#if !defined(__SANITIZE_ADDRESS__)

namespace {

constexpr size_t kStackBytes = 64 * 1024;

void faulted(int, siginfo_t* info, void*) {
  stop("touches %p: %s", info->si_addr,
       describe_address(info->si_addr, launch.running->context.stack.bottom).c_str());
}

}  // namespace

FaultsAreErrors::FaultsAreErrors() {
  static unsigned char* stack = new unsigned char[kStackBytes];
  const stack_t alternate = {stack, 0, kStackBytes};
  sigaltstack(&alternate, &stack_before_);
  struct sigaction action = {};
  action.sa_sigaction = faulted;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(SIGSEGV, &action, &segv_before_);
  sigaction(SIGBUS, &action, &bus_before_);
}

FaultsAreErrors::~FaultsAreErrors() {
  sigaction(SIGSEGV, &segv_before_, nullptr);
  sigaction(SIGBUS, &bus_before_, nullptr);
  sigaltstack(&stack_before_, nullptr);
}

#else

FaultsAreErrors::FaultsAreErrors() {}
FaultsAreErrors::~FaultsAreErrors() {}

#endif

}  // namespace swirl::emulator
