// Sums over rows, for gradients to which every row contributes (norm weights, biases). Each piece of kRows rows is
// summed separately; the pieces are then added in order in float64, because the terms nearly cancel. The pieces
// depend only on the number of rows, so the result does not depend on the number of threads.
#ifndef SWIRL_CPU_COLUMN_SUMS_H_
#define SWIRL_CPU_COLUMN_SUMS_H_

#include <algorithm>
#include <cstring>

#include "native/cpu/device.h"

namespace swirl {

class ColumnSums {
 public:
  static constexpr int64_t kRows = 8;

  // Uses the device's shared scratch, valid until the next op. False when out of memory.
  bool reserve(swirl_device* device, int64_t rows, int64_t width) {
    pieces_ = ceil_div(rows, kRows);
    width_ = width;
    if (!device->reserve_shared(bytes())) return false;
    sums_ = static_cast<float*>(device->shared());
    return true;
  }
  size_t bytes() const { return static_cast<size_t>(pieces_ * width_) * sizeof(float); }

  // [width] of the piece that starts at row `begin`, zeroed.
  float* piece(int64_t begin) const {
    float* out = sums_ + begin / kRows * width_;
    std::memset(out, 0, static_cast<size_t>(width_) * sizeof(float));
    return out;
  }

  // to[width] += all pieces, in order.
  void add_to(swirl_device* device, float* to) const {
    parallel_for(device, width_, kColumns, [&](int64_t begin, int64_t end) {
      double sums[kColumns];
      for (int64_t first = begin; first < end; first += kColumns) {
        const int64_t columns = std::min(kColumns, end - first);
        for (int64_t c = 0; c < columns; ++c) sums[c] = to[first + c];
        for (int64_t i = 0; i < pieces_; ++i)
          for (int64_t c = 0; c < columns; ++c) sums[c] += sums_[i * width_ + first + c];
        for (int64_t c = 0; c < columns; ++c) to[first + c] = static_cast<float>(sums[c]);
      }
    });
  }

 private:
  static constexpr int64_t kColumns = 64;  // summed at a time

  int64_t pieces_ = 0, width_ = 0;
  float* sums_ = nullptr;
};

}  // namespace swirl

#endif  // SWIRL_CPU_COLUMN_SUMS_H_
