// The tests' control of the stand-in runtime: C functions of the module, looked up by name.
//
// Every call of the CUDA runtime and every launch is counted, except cudaGetLastError, cudaGetErrorString and
// cudaGetErrorName.
#ifndef SWIRL_CUDA_STANDIN_RUNTIME_H_
#define SWIRL_CUDA_STANDIN_RUNTIME_H_

#include <cstdint>

struct swirl_standin_counts {
  int64_t calls;  // in all; the others are parts of it
  int64_t launches, copies, sets, synchronizations, allocations, frees;
  int64_t describes;  // cudaMemGetInfo and cudaGetDeviceProperties, which may block
  // What is allocated now.
  int64_t memory, pinned, streams, events;
};

extern "C" {
void swirl_standin_read(swirl_standin_counts*);
// Call number `number` from now on (0: the next) fails with `error`, and after an error that corrupts the context
// every call on that device does. -1: none. Forgets corrupt contexts.
void swirl_standin_fail(int64_t number, int error);
// The name of the call that failed by injection; null when that call has not happened yet.
const char* swirl_standin_failed();
// 0: launches compute nothing, for tests that only count or fail.
void swirl_standin_compute(int);
// Result of cudaDriverGetVersion, initially 13000.
void swirl_standin_driver(int);
}

#endif  // SWIRL_CUDA_STANDIN_RUNTIME_H_
