// The rate of the processor's own multiply-adds: a loop that touches registers only, on every thread, with the
// widest instructions that isa() allows. What no matrix product of this process can pass.
#ifndef SWIRL_CPU_REGISTER_PEAK_H_
#define SWIRL_CPU_REGISTER_PEAK_H_

#include "native/kernels/kernels.h"

namespace swirl {

// Floating-point operations a second; 0 where there is no such loop (other processors than x86). Takes some
// 50 ms.
double register_peak(swirl_dtype, int threads);

}  // namespace swirl

#endif  // SWIRL_CPU_REGISTER_PEAK_H_
