// One opened CPU device: its threads, its scratch and its last error.
//
// Work is divided with OpenMP: one thread pool for our kernels and for oneDNN. Scratch grows to the largest size needed
// and is kept, so that a training step does not allocate.
#ifndef SWIRL_CPU_DEVICE_H_
#define SWIRL_CPU_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "native/kernels/kernels.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace swirl {
struct MatrixLibrary;  // gemm.h
}

struct swirl_device {
  int threads = 1;
  std::string error;
  swirl::MatrixLibrary* matrix = nullptr;

  // 64-byte aligned scratch for each thread, of at least `bytes`. False when out of memory.
  bool reserve(size_t bytes);
  void* scratch(int thread) const { return scratch_ + static_cast<size_t>(thread) * scratch_each_; }
  // A further piece of scratch, shared by all threads of an op.
  bool reserve_shared(size_t bytes);
  void* shared() const { return shared_; }

  ~swirl_device();

 private:
  char* scratch_ = nullptr;
  size_t scratch_each_ = 0;
  char* shared_ = nullptr;
  size_t shared_bytes_ = 0;
};

namespace swirl {

// Sets the device's error text and returns the status.
swirl_status fail(swirl_device*, swirl_status, const char* format, ...) __attribute__((format(printf, 3, 4)));
swirl_status out_of_scratch(swirl_device*, const char* op, size_t bytes);

inline int thread_index() {
#if defined(_OPENMP)
  return omp_get_thread_num();
#else
  return 0;
#endif
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// Calls body(begin, end) over [0, count) in pieces of `grain`. Any thread may run a piece, so its result must not
// depend on the thread.
template <class Body>
void parallel_for(swirl_device* device, int64_t count, int64_t grain, const Body& body) {
  const int64_t pieces = ceil_div(count, grain);
  if (pieces <= 1 || device->threads == 1) {
    for (int64_t i = 0; i < pieces; ++i) body(i * grain, (i + 1) * grain < count ? (i + 1) * grain : count);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(device->threads)
  for (int64_t i = 0; i < pieces; ++i) body(i * grain, (i + 1) * grain < count ? (i + 1) * grain : count);
}

// Rows per piece for about `elements` elements per piece.
inline int64_t row_grain(int64_t width, int64_t elements = 32768) {
  const int64_t rows = elements / (width > 0 ? width : 1);
  return rows > 0 ? rows : 1;
}

}  // namespace swirl

#endif  // SWIRL_CPU_DEVICE_H_
