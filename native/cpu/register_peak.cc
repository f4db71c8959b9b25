// The rate of the processor's own multiply-adds: a loop that touches registers only, on every thread, with the
// widest instructions that isa() allows. 0 for processors other than x86.
#include <algorithm>
#include <chrono>

#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"

#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
#define SWIRL_WITH_PAIRS
#define SWIRL_BODY "native/cpu/register_peak.inl"
#include "native/cpu/each_isa.h"
#endif

namespace swirl {

#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
namespace {

#if !defined(SWIRL_AMX_EMULATED)
// The same form in tile registers: four sums of 16 rows by 16 columns, 32 products deep at each step.
__attribute__((target("avx512f,amx-tile,amx-bf16"))) float sum_tiles(int64_t steps) {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  alignas(64) static const uint16_t halves[16 * 32] = {0x3f00, 0x3a00};
  alignas(64) float out[16 * 16];
  asm volatile("" : : "r"(&config) : "memory");  // see gemm_tiles.inl
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
    if (isa() >= Isa::kAvx512Bf16) return {avx512_bf16::multiply_adds, avx512_bf16::kStepFlops};
  }
  if (isa() >= Isa::kAvx512) return {avx512::multiply_adds, avx512::kStepFlops};
  if (isa() >= Isa::kAvx2) return {avx2::multiply_adds, avx2::kStepFlops};
  return {plain::multiply_adds, plain::kStepFlops};
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

// Seconds: reading the clock then costs nothing, and few runs are interrupted.
constexpr double kLongEnough = 0.001;
constexpr int kRepeats = 12;

double shortest(const Loop& loop, int64_t steps) {
  double best = time_of(loop, steps);
  for (int i = 1; i < kRepeats; ++i) best = std::min(best, time_of(loop, steps));
  return best;
}

}  // namespace

// The best rate of every thread while all others run as well.
double register_peak(swirl_device* device, swirl_dtype dtype) {
  const int threads = device->threads;
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

double register_peak(swirl_device*, swirl_dtype) { return 0; }

#endif

}  // namespace swirl
