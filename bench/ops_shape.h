// The shapes that bench/ops.cc runs at.
#ifndef SWIRL_BENCH_OPS_SHAPE_H_
#define SWIRL_BENCH_OPS_SHAPE_H_

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace bench {

struct Shape {
  std::string name;
  int rows, width, heads, kv_heads, head_dim, inner, vocab;
  int logit_rows;  // of a log-prob call
  int sequences;   // of a decode step
  size_t parameters;
  size_t beyond_caches;  // bytes of copies of each operand
  int head_rows, head_width, head_vocab;
  std::vector<int> head_chunks;  // rows at a time, one measurement each
};

constexpr size_t kCaches = size_t(192) << 20;

inline const Shape kShapes[] = {
    {"135m", 736, 576, 9, 3, 64, 1536, 49152, 128, 16, size_t(4) << 20, kCaches, 736, 576, 49152, {256}},
    {"0.5b",
     8192,
     896,
     14,
     2,
     64,
     4864,
     151936,
     512,
     64,
     494032768,
     kCaches,
     8192,
     4096,
     151936,
     {110, 438, 658, 1024}},
    {"smoke", 9, 40, 3, 1, 8, 56, 300, 5, 3, 1000, 0, 9, 40, 300, {4, 9}},
};

inline std::string json(const Shape& s) {
  char out[400];
  std::snprintf(
      out, sizeof out,
      "{\"name\": \"%s\", \"rows\": %d, \"width\": %d, \"heads\": %d, \"kvHeads\": %d, \"headDim\": %d, "
      "\"inner\": %d, \"vocab\": %d, \"logitRows\": %d, \"sequences\": %d, \"parameters\": %zu, "
      "\"head\": [%d, %d, %d]}",
      s.name.c_str(), s.rows, s.width, s.heads, s.kv_heads, s.head_dim, s.inner, s.vocab, s.logit_rows,
      s.sequences, s.parameters, s.head_rows, s.head_width, s.head_vocab);
  return out;
}

}  // namespace bench

#endif  // SWIRL_BENCH_OPS_SHAPE_H_
