// One opened GPU: its stream, its matrix library, its scratch and its last error. Host code only; no CUDA
// header is needed to read it.
//
// Everything runs in order on one stream, so an op may reuse the scratch of the op before it. Scratch grows to
// the largest size needed and is kept: after the first steps nothing is allocated.
#ifndef SWIRL_CUDA_DEVICE_H_
#define SWIRL_CUDA_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "native/kernels/kernels.h"

struct CUstream_st;

namespace swirl::cuda {
struct MatrixLibrary;  // gemm.cu
struct Staging;        // memory.cu
}  // namespace swirl::cuda

struct swirl_device {
  int32_t ordinal = 0;
  int32_t multiprocessors = 0;
  int32_t capability = 0;       // 10 · major + minor: 80, 90
  size_t shared_per_block = 0;  // bytes of shared memory that a block may ask for
  CUstream_st* stream = nullptr;
  std::string error;
  bool lost =
      false;  // the GPU's context is beyond use: `error` keeps the first failure, every call returns at once
  size_t memory_bytes = 0;
  std::string name;
  swirl::cuda::MatrixLibrary* matrix = nullptr;
  swirl::cuda::Staging* staging = nullptr;
  void* scratch = nullptr;
  size_t scratch_bytes = 0;
  std::unordered_map<const void*, size_t> shared_allowed;  // kernel -> dynamic shared bytes granted
};

namespace swirl::cuda {

// Sets the device's error text (of this thread's failed open when device is null) and returns the status. A lost
// device keeps the text of its loss.
swirl_status fail(swirl_device*, swirl_status, const char* format, ...) __attribute__((format(printf, 3, 4)));

// Makes the device the current one; the first step of every entry of the table. Fails for a lost device.
swirl_status enter(swirl_device*);

// Scratch of at least `bytes`, aligned to 256, contents undefined. Null when out of memory: the error text is then
// set, and the op returns SWIRL_OUT_OF_MEMORY. Valid until the next call, so an entry asks once, for all that it
// needs. Growing waits for the stream.
void* reserve(swirl_device*, size_t bytes);

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_DEVICE_H_
