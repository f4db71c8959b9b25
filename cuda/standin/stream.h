// What the stand-in of the runtime shows to the stand-in of cuBLASLt: a stream begins with it.
#ifndef SWIRL_CUDA_STANDIN_STREAM_H_
#define SWIRL_CUDA_STANDIN_STREAM_H_

#include <cstddef>

struct swirl_standin_stream {
  void (*finish)(swirl_standin_stream*);  // does what is queued
  bool (*is_memory)(const void*, size_t);
};

#endif  // SWIRL_CUDA_STANDIN_STREAM_H_
