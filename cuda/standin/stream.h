// The part of a stream that the runtime's stand-in shares with cuBLASLt's: a stream begins with it.
#ifndef SWIRL_CUDA_STANDIN_STREAM_H_
#define SWIRL_CUDA_STANDIN_STREAM_H_

#include <cstddef>

struct swirl_standin_stream {
  void (*finish)(swirl_standin_stream*);  // runs the queued work
  bool (*is_memory)(const void*, size_t);
};

#endif  // SWIRL_CUDA_STANDIN_STREAM_H_
