#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"

#define SWIRL_BODY "native/cpu/sum_of_squares.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

// Blocks of a fixed size are summed apart, then in order: the bits do not depend on the threads.
swirl_status sum_of_squares(swirl_device* device, size_t count, const float* x, double* out) {
  constexpr int64_t kBlock = 1 << 16;
  const int64_t blocks = ceil_div(static_cast<int64_t>(count), kBlock);
  const size_t bytes = static_cast<size_t>(blocks) * sizeof(double);
  if (!device->reserve_shared(bytes)) return out_of_scratch(device, "sum_of_squares", bytes);
  double* sums = static_cast<double*>(device->shared());
  parallel_for(device, static_cast<int64_t>(count), kBlock, [&](int64_t begin, int64_t end) {
    SWIRL_DISPATCH(squares_range(x + begin, end - begin, &sums[begin / kBlock]));
  });
  double total = 0;
  for (int64_t i = 0; i < blocks; ++i) total += sums[i];
  *out = total;
  return SWIRL_OK;
}

}  // namespace swirl
