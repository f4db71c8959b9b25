namespace swirl {
namespace SWIRL_ISA {

// Enough independent sums to hide an instruction's latency, but no more than there are registers: Zen 5's
// bfloat16 dot product needs more than 12, and AVX2 has 16 registers in all.
constexpr int kSums = kLanes == 16 ? 16 : 12;
#if defined(SWIRL_PAIRS)
constexpr double kStepFlops = 2.0 * 2 * kSums * kLanes;
#else
constexpr double kStepFlops = 2.0 * kSums * kLanes;
#endif

// Runs `steps` times over the sums and returns a number that depends on all, so that the compiler removes nothing.
inline float multiply_adds(int64_t steps) {
  V sums[kSums];
  for (int j = 0; j < kSums; ++j) sums[j] = splat(float(j));  // the compiler would merge equal ones
#if defined(SWIRL_PAIRS)
  const __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f003f00), y = (__m512bh)_mm512_set1_epi32(0x3a003a00);
#else
  const V x = splat(0.999f), y = splat(0.001f);
#endif
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kSums; ++j) {
#if defined(SWIRL_PAIRS)
      sums[j] = (V)_mm512_dpbf16_ps((__m512)sums[j], x, y);
#else
      sums[j] = fma(sums[j], x, y);
#endif
    }
  }
  V all = sums[0];
  for (int j = 1; j < kSums; ++j) all += sums[j];
  return all[0];
}

}  // namespace SWIRL_ISA
}  // namespace swirl
