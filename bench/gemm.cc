// Matrix products at SmolLM2-135M's shapes beside the processor's peak: gemm [rows]. Build and run:
// bench/native.sh gemm. Times are processor time of one thread, so that other work on the machine does not count.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "native/cpu/isa.h"
#include "native/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

#if defined(__x86_64__)
// Independent dot products in registers: 2 · 32 operations each.
__attribute__((target("avx512f,avx512bf16"))) double peak_bf16() {
  __m512 sum[16];
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) {
    sum[j] = _mm512_setzero_ps();
    asm("" : "+v"(sum[j]));  // else the compiler sees sixteen equal sums and keeps one
  }
  __m512bh x = (__m512bh)_mm512_set1_epi32(int(seconds() * 0)), y = x;
  constexpr int kRounds = 2000000;
  const double start = seconds();
  for (int i = 0; i < kRounds; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      sum[j] = _mm512_dpbf16_ps(sum[j], x, y);
    }
  const double time = seconds() - start;
  float out[16];
#pragma GCC unroll 16
  for (int j = 1; j < 16; ++j) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  _mm512_storeu_ps(out, sum[0]);
  return out[0] == 0 ? kRounds * 16.0 * 64 / time / 1e9 : 0;
}
__attribute__((target("avx512f"))) double peak_f32() {
  __m512 sum[16];
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) {
    sum[j] = _mm512_setzero_ps();
    asm("" : "+v"(sum[j]));  // else the compiler sees sixteen equal sums and keeps one
  }
  __m512 x = _mm512_set1_ps(float(seconds() * 0)), y = x;
  constexpr int kRounds = 2000000;
  const double start = seconds();
  for (int i = 0; i < kRounds; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      sum[j] = _mm512_fmadd_ps(x, y, sum[j]);
    }
  const double time = seconds() - start;
  float out[16];
#pragma GCC unroll 16
  for (int j = 1; j < 16; ++j) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  _mm512_storeu_ps(out, sum[0]);
  return out[0] == 0 ? kRounds * 16.0 * 32 / time / 1e9 : 0;
}
#endif

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
    const size_t width = dtype == SWIRL_FLOAT32 ? 4 : 2;
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
#if defined(__x86_64__)
  if (swirl::isa() >= swirl::Isa::kAvx512Bf16)
    std::printf("peak: bf16 %.0f GFLOP/s, f32 %.0f GFLOP/s\n", peak_bf16(), peak_f32());
#endif
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
