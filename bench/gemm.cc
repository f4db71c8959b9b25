// Matrix products at SmolLM2-135M's shapes compared with the processor's peak: gemm [rows]. Build and run:
// bench/native.sh gemm. A product's time is processor time of one thread, so that other work on the machine
// does not count; the peak is the best of several runs of a millisecond (register_peak in kernels.h).
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "native/kernels/kernels.h"
#include "native/kernels/size_of.h"

namespace {

double seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

// Median of an odd number of runs, after one to warm up.
template <class Body>
double median_seconds(const Body& body) {
  body();
  const double start = seconds();
  body();
  const double once = seconds() - start;
  const int inner = std::max(1, int(0.02 / std::max(once, 1e-7)));
  std::vector<double> times;
  for (int i = 0; i < 5; ++i) {
    const double begin = seconds();
    for (int j = 0; j < inner; ++j) body();
    times.push_back((seconds() - begin) / inner);
  }
  std::sort(times.begin(), times.end());
  return times[2];
}

struct Bench {
  const swirl_kernels* k = swirl_cpu_kernels();
  swirl_device* d = nullptr;

  void* memory(size_t bytes) {
    void* out = nullptr;
    if (k->allocate(d, bytes, &out) != SWIRL_OK) std::abort();
    for (size_t i = 0; i + 2 <= bytes; i += 2) static_cast<uint16_t*>(out)[i / 2] = uint16_t(0x3c00 + i % 97);
    return out;
  }

  void product(const char* what, int ta, int tb, int m, int n, int kk, swirl_dtype dtype, float beta,
               swirl_dtype c) {
    const size_t width = swirl::size_of(dtype);
    void* a = memory(size_t(m) * kk * width);
    void* b = memory(size_t(n) * kk * width);
    void* out = memory(size_t(m) * n * 4);
    const double time = median_seconds([&] {
      if (k->gemm(d, ta, tb, m, n, kk, dtype, a, ta ? m : kk, b, tb ? kk : n, beta, out, n, c) != SWIRL_OK)
        std::abort();
    });
    std::printf("%-24s %5d %6d %6d  %8.1f GFLOP/s  %7.1f GB/s of B\n", what, m, n, kk,
                2.0 * m * n * kk / time / 1e9, double(width) * n * kk / time / 1e9);
    k->release(d, a);
    k->release(d, b);
    k->release(d, out);
  }
};

}  // namespace

int main(int argc, char** argv) {
  Bench bench;
  if (bench.k->open(0, 1, &bench.d) != SWIRL_OK) return 1;
  swirl_device_info info;
  bench.k->describe(bench.d, &info);
  std::printf("%s, %s, %s, one thread\n", info.description, info.matrix_library, info.isa);
  const double peak = bench.k->register_peak(bench.d, SWIRL_FLOAT32) / 1e9;
  if (peak > 0)
    std::printf("peak: bf16 %.0f GFLOP/s, f32 %.0f GFLOP/s\n",
                bench.k->register_peak(bench.d, SWIRL_BFLOAT16) / 1e9, peak);
  std::vector<int> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::atoi(argv[i]));
  if (sizes.empty()) sizes = {736, 4096};
  struct Weight {
    const char* name;
    int out, in;
  };
  const Weight weights[] = {
      {"qkv", 960, 576}, {"out", 576, 576}, {"gate_up", 3072, 576}, {"down", 576, 1536}};
  for (const swirl_dtype dtype : {SWIRL_BFLOAT16, SWIRL_FLOAT32}) {
    std::printf("--- %s                m      n      k\n", dtype == SWIRL_FLOAT32 ? "float32 " : "bfloat16");
    for (const int m : sizes) {
      for (const Weight& w : weights) {
        char text[64];
        std::snprintf(text, sizeof text, "%s  X·Wᵀ", w.name);
        bench.product(text, 0, 1, m, w.out, w.in, dtype, 0, dtype);
        std::snprintf(text, sizeof text, "%s  dY·W", w.name);
        bench.product(text, 0, 0, m, w.in, w.out, dtype, 0, dtype);
        std::snprintf(text, sizeof text, "%s  dYᵀ·X", w.name);
        bench.product(text, 1, 0, w.out, w.in, m, dtype, 1, SWIRL_FLOAT32);
      }
    }
    bench.product("head  X·Wᵀ", 0, 1, 256, 49152, 576, dtype, 0, SWIRL_FLOAT32);
    bench.product("head  dY·W", 0, 0, 256, 576, 49152, dtype, 0, dtype);
    bench.product("head  dYᵀ·X", 1, 0, 49152, 576, 256, dtype, 1, SWIRL_FLOAT32);
    for (const int m : {1, 8, 32}) {
      bench.product("decode qkv", 0, 1, m, 960, 576, dtype, 0, dtype);
      bench.product("decode gate_up", 0, 1, m, 3072, 576, dtype, 0, dtype);
      bench.product("decode down", 0, 1, m, 576, 1536, dtype, 0, dtype);
      bench.product("decode head", 0, 1, m, 49152, 576, dtype, 0, SWIRL_FLOAT32);
    }
  }
  bench.k->close(bench.d);
  return 0;
}
