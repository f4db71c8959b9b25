// What a device can do at the best, measured on the device itself: the rates that floors are made of.
#ifndef SWIRL_KERNELS_PEAKS_H_
#define SWIRL_KERNELS_PEAKS_H_

#include "kernels.h"

namespace swirl {

// Floating-point operations a second; 0 = not measured.
struct MatrixPeak {
  double product = 0;    // a large square product through the kernel table
  double registers = 0;  // multiply-adds on registers only, all threads (x86 CPUs)
  double best() const { return product > registers ? product : registers; }
};

struct Peaks {
  MatrixPeak float32, bfloat16;
  double bytes = 0;  // a second, read and written, in a large copy

  // Seconds that this work takes at the least; 0 when the rate it needs is unknown.
  double floor(double flops, swirl_dtype dtype, double moved_bytes) const;
};

// Takes about a second, and up to a gigabyte that it gives back. A rate whose memory is not there stays 0.
Peaks measure_peaks(const swirl_kernels&, swirl_device*);

}  // namespace swirl

#endif  // SWIRL_KERNELS_PEAKS_H_
