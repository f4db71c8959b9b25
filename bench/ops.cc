// The memory-bound ops at SmolLM2-135M's shapes: bytes moved a second, one thread, processor time, beside a
// plain copy. Build and run: bench/native.sh ops.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "native/kernels/kernels.h"

namespace {

double seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

const swirl_kernels* k = swirl_cpu_kernels();
swirl_device* d = nullptr;

template <class Body>
void report(const char* what, double bytes, const Body& body) {
  std::vector<double> times;
  for (int i = 0; i < 8; ++i) {
    const double begin = seconds();
    if (body() != SWIRL_OK) std::abort();
    times.push_back(seconds() - begin);
  }
  std::sort(times.begin() + 1, times.end());
  std::printf("%-34s %8.3f ms  %6.1f GB/s\n", what, times[4] * 1e3, bytes / times[4] / 1e9);
}

float* memory(size_t count) {
  void* out = nullptr;
  if (k->allocate(d, count * 4, &out) != SWIRL_OK) std::abort();
  float* x = static_cast<float*>(out);
  for (size_t i = 0; i < count; ++i) x[i] = float(int(i * 2654435761u % 2001) - 1000) / 500;
  return x;
}

}  // namespace

int main() {
  if (k->open(0, 1, &d) != SWIRL_OK) return 1;
  const int rows = 736, width = 576, inner = 1536, vocab = 49152, chunk = 128;
  const swirl_dtype bf16 = SWIRL_BFLOAT16;
  const size_t logit_count = size_t(chunk) * vocab;
  float* logits = memory(logit_count);
  float* other = memory(logit_count);
  report("copy", 8.0 * logit_count, [&] { return k->copy(d, other, logits, logit_count * 4); });

  std::vector<int32_t> offset(chunk + 1), target(chunk);
  std::iota(offset.begin(), offset.end(), 0);
  for (int i = 0; i < chunk; ++i) target[size_t(i)] = i * 377 % vocab;
  const swirl_labels labels = {chunk, chunk, offset.data(), target.data()};
  std::vector<float> logprob(chunk), lse(chunk), entropy(chunk), coefficient(chunk, 0.5f),
      uniform(chunk, 0.5f);
  std::vector<int32_t> token(chunk);
  report("logprob_forward 128 rows", 4.0 * logit_count, [&] {
    return k->logprob_forward(d, vocab, logits, 0, 1, &labels, logprob.data(), lse.data(), entropy.data());
  });
  report("logprob_forward softcap", 4.0 * logit_count, [&] {
    return k->logprob_forward(d, vocab, logits, 30, 1, &labels, logprob.data(), lse.data(), entropy.data());
  });
  report("logprob_backward to bf16", 6.0 * logit_count, [&] {
    return k->logprob_backward(d, vocab, logits, 0, 1, &labels, coefficient.data(), lse.data(), other, bf16);
  });
  report("sample", 4.0 * logit_count, [&] {
    const swirl_sampling o = {1, 0, 1};
    return k->sample(d, chunk, vocab, logits, 0, &o, uniform.data(), token.data(), logprob.data());
  });
  report("sample top_p 0.95", 4.0 * logit_count, [&] {
    const swirl_sampling o = {1, 0, 0.95f};
    return k->sample(d, chunk, vocab, logits, 0, &o, uniform.data(), token.data(), logprob.data());
  });
  report("sample top_k 50", 4.0 * logit_count, [&] {
    const swirl_sampling o = {1, 50, 1};
    return k->sample(d, chunk, vocab, logits, 0, &o, uniform.data(), token.data(), logprob.data());
  });
  report("sample greedy", 4.0 * logit_count, [&] {
    const swirl_sampling o = {0, 0, 1};
    return k->sample(d, chunk, vocab, logits, 0, &o, uniform.data(), token.data(), logprob.data());
  });
  const size_t gate = size_t(rows) * inner;
  report("gated_forward silu bf16", 6.0 * gate,
         [&] { return k->gated_forward(d, SWIRL_SILU, rows, inner, logits, other, bf16); });
  report("gated_backward silu bf16", 10.0 * gate, [&] {
    return k->gated_backward(d, SWIRL_SILU, rows, inner, logits, other, other + 2 * gate, bf16);
  });
  float* weight = memory(width);
  float* rstd = memory(rows);
  const double hidden = double(rows) * width;
  report("rmsnorm_forward f32 -> bf16", 6 * hidden, [&] {
    return k->rmsnorm_forward(d, rows, 1, width, logits, width, SWIRL_FLOAT32, weight, 0, 1e-5f, other, width,
                              bf16, rstd);
  });
  report("rmsnorm_backward bf16 += f32", 14 * hidden, [&] {
    return k->rmsnorm_backward(d, rows, 1, width, logits, width, SWIRL_FLOAT32, weight, 0, rstd, other, width,
                               bf16, other + rows * width, width, SWIRL_FLOAT32, 1, weight);
  });
  const size_t parameters = 4 << 20;
  float* m = memory(parameters);
  float* v = memory(parameters);
  for (size_t i = 0; i < parameters; ++i) v[i] = 1;
  void* copy = memory(parameters);
  const swirl_adamw o = {1e-6, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1};
  report("adamw 4M, bf16 copy", 30.0 * parameters,
         [&] { return k->adamw(d, parameters, &o, other, logits, m, v, copy, bf16); });
  double sum = 0;
  report("sum_of_squares 4M", 4.0 * parameters,
         [&] { return k->sum_of_squares(d, parameters, logits, &sum); });
  report("convert f32 -> bf16 4M", 6.0 * parameters,
         [&] { return k->convert(d, copy, bf16, logits, SWIRL_FLOAT32, parameters); });
  std::vector<int32_t> tokens(rows);
  for (int i = 0; i < rows; ++i) tokens[size_t(i)] = i * 7 % 1000;
  report("embedding_backward", 12 * hidden,
         [&] { return k->embedding_backward(d, rows, width, tokens.data(), logits, 1, other); });
  k->close(d);
  return 0;
}
