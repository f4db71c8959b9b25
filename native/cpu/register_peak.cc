#include "native/cpu/register_peak.h"

#include <algorithm>
#include <chrono>

#include "native/cpu/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace swirl {

#if defined(__x86_64__)
namespace {

// Each loop runs `steps` times over independent sums, enough of them to hide an instruction's latency, and
// returns a number that depends on all, so that nothing can be left out.
constexpr int kSums = 12;

__attribute__((target("avx512f"))) float sum_avx512(int64_t steps) {
  __m512 sums[kSums];
  for (int j = 0; j < kSums; ++j) sums[j] = _mm512_set1_ps(float(j));  // equal ones would become one
  const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kSums; ++j) sums[j] = _mm512_fmadd_ps(sums[j], x, y);
  }
  __m512 all = sums[0];
  for (int j = 1; j < kSums; ++j) all = _mm512_add_ps(all, sums[j]);
  return _mm512_cvtss_f32(all);
}

__attribute__((target("avx512f,avx512bf16"))) float sum_avx512_bf16(int64_t steps) {
  __m512 sums[kSums];
  for (int j = 0; j < kSums; ++j) sums[j] = _mm512_set1_ps(float(j));  // equal ones would become one
  const __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f003f00), y = (__m512bh)_mm512_set1_epi32(0x3a003a00);
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kSums; ++j) sums[j] = _mm512_dpbf16_ps(sums[j], x, y);
  }
  __m512 all = sums[0];
  for (int j = 1; j < kSums; ++j) all = _mm512_add_ps(all, sums[j]);
  return _mm512_cvtss_f32(all);
}

__attribute__((target("avx2,fma"))) float sum_avx2(int64_t steps) {
  __m256 sums[kSums];
  for (int j = 0; j < kSums; ++j) sums[j] = _mm256_set1_ps(float(j));
  const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kSums; ++j) sums[j] = _mm256_fmadd_ps(sums[j], x, y);
  }
  __m256 all = sums[0];
  for (int j = 1; j < kSums; ++j) all = _mm256_add_ps(all, sums[j]);
  return _mm256_cvtss_f32(all);
}

float sum_plain(int64_t steps) {
  __m128 sums[kSums];
  for (int j = 0; j < kSums; ++j) sums[j] = _mm_set1_ps(float(j));
  const __m128 x = _mm_set1_ps(0.999f), y = _mm_set1_ps(0.001f);
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kSums; ++j) sums[j] = _mm_add_ps(_mm_mul_ps(sums[j], x), y);
  }
  __m128 all = sums[0];
  for (int j = 1; j < kSums; ++j) all = _mm_add_ps(all, sums[j]);
  return _mm_cvtss_f32(all);
}

#if !defined(SWIRL_AMX_EMULATED)
// Four sums of 16 rows by 16 columns in tile registers, 32 products deep at each step.
__attribute__((target("avx512f,amx-tile,amx-bf16"))) float sum_tiles(int64_t steps) {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  alignas(64) static const uint16_t halves[16 * 32] = {0x3f00, 0x3a00};
  alignas(64) float out[16 * 16];
  asm volatile("" : : "r"(&config) : "memory");  // gemm_tiles.inl says why
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, halves, 64);
  _tile_loadd(5, halves, 64);
  _tile_loadd(6, halves, 64);
  _tile_loadd(7, halves, 64);
  for (int64_t i = 0; i < steps; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, out, 64);
  _tile_release();
  return out[0];
}
#endif

struct Loop {
  float (*run)(int64_t steps);
  double flops;  // of one step
};

Loop loop_for(swirl_dtype dtype) {
  if (dtype == SWIRL_BFLOAT16) {
#if !defined(SWIRL_AMX_EMULATED)
    if (isa() >= Isa::kAmxBf16) return {sum_tiles, 4 * 16.0 * 16 * 32 * 2};
#endif
    if (isa() >= Isa::kAvx512Bf16) return {sum_avx512_bf16, kSums * 16 * 2 * 2.0};
  }
  if (isa() >= Isa::kAvx512) return {sum_avx512, kSums * 16 * 2.0};
  if (isa() >= Isa::kAvx2) return {sum_avx2, kSums * 8 * 2.0};
  return {sum_plain, kSums * 4 * 2.0};
}

volatile float sink;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double time_of(const Loop& loop, int64_t steps) {
  const auto started = std::chrono::steady_clock::now();
  const float found = loop.run(steps);
  const double seconds = seconds_since(started);
  sink = found;
  return seconds;
}

constexpr double kLongEnough = 0.001;  // seconds: clocks are then nothing, and few runs are interrupted
constexpr int kRepeats = 12;

double shortest(const Loop& loop, int64_t steps) {
  double best = time_of(loop, steps);
  for (int i = 1; i < kRepeats; ++i) best = std::min(best, time_of(loop, steps));
  return best;
}

}  // namespace

// Every thread at its best while the others run as well.
double register_peak(swirl_dtype dtype, int threads) {
  const Loop loop = loop_for(dtype);
  int64_t steps = 1 << 12;
  while (time_of(loop, steps) < kLongEnough && steps < (int64_t(1) << 30)) steps *= 2;
  double rate = 0;
#if defined(_OPENMP)
#pragma omp parallel num_threads(std::max(threads, 1)) reduction(+ : rate)
#endif
  rate += loop.flops * double(steps) / shortest(loop, steps);
  return rate;
}

#else

double register_peak(swirl_dtype, int) { return 0; }

#endif

}  // namespace swirl
