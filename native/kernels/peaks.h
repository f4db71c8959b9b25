// Peak rates of a device, measured on the device itself: the inputs of roofline bounds.
#ifndef SWIRL_KERNELS_PEAKS_H_
#define SWIRL_KERNELS_PEAKS_H_

#include "kernels.h"

namespace swirl {

// Floating-point operations per second; 0 = not measured.
struct MatrixPeak {
  double product = 0;    // a large square product through the kernel table
  double registers = 0;  // multiply-adds on registers only, all threads (x86 CPUs)
  double best() const { return product > registers ? product : registers; }
};

struct Peaks {
  MatrixPeak float32, bfloat16;
  double bytes = 0;  // per second, read plus written, in a large copy

  // Lower bound of the seconds that this work takes; 0 when the rate it needs is unknown.
  double floor(double flops, swirl_dtype dtype, double moved_bytes) const;
};

// Takes about a second, and up to a gigabyte that is freed afterwards. A rate that lacks memory to measure stays 0.
Peaks measure_peaks(const swirl_kernels&, swirl_device*);

}  // namespace swirl

#endif  // SWIRL_KERNELS_PEAKS_H_
