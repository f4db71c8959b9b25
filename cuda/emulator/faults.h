// While one of these lives, a fault of the running thread (an address it may not touch, its stack's end) becomes
// the launch's error, with what lies at that address. Not under AddressSanitizer, which reports faults itself.
#ifndef SWIRL_CUDA_EMULATOR_FAULTS_H_
#define SWIRL_CUDA_EMULATOR_FAULTS_H_

#include <signal.h>

namespace swirl::emulator {

class FaultsAreErrors {
 public:
  FaultsAreErrors();
  ~FaultsAreErrors();
  FaultsAreErrors(const FaultsAreErrors&) = delete;
  FaultsAreErrors& operator=(const FaultsAreErrors&) = delete;

 private:
  stack_t stack_before_;
  struct sigaction segv_before_, bus_before_;
};

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_FAULTS_H_
