// While an object of this class exists, a fault of the running thread (a forbidden address, the end of its stack)
// becomes the launch's error, with a description of that address. Not under AddressSanitizer, which reports faults
// itself.
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
