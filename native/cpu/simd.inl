// The vector operations of one instruction set; included by simd.h with SWIRL_ISA, SWIRL_LANES and
// SWIRL_LEVEL set (level 0 plain, 1 AVX2 + FMA, 2 AVX-512). A multiply-add is fused at levels 1 and 2 and two
// roundings at level 0.
namespace swirl {
namespace SWIRL_ISA {

constexpr int kLanes = SWIRL_LANES;
typedef float V __attribute__((vector_size(4 * SWIRL_LANES)));
typedef int32_t I __attribute__((vector_size(4 * SWIRL_LANES)));
typedef uint32_t U __attribute__((vector_size(4 * SWIRL_LANES)));
typedef float Unaligned __attribute__((vector_size(4 * SWIRL_LANES), aligned(4), may_alias));
typedef uint16_t HalfUnaligned __attribute__((vector_size(2 * SWIRL_LANES), aligned(2), may_alias));

SWIRL_INLINE V splat(float x) {
#if SWIRL_LEVEL == 2
  return (V)_mm512_set1_ps(x);
#elif SWIRL_LEVEL == 1
  return (V)_mm256_set1_ps(x);
#else
  return V{x, x, x, x};
#endif
}
SWIRL_INLINE V zeros() { return V{}; }

SWIRL_INLINE V load(const float* p) { return *(const Unaligned*)p; }
SWIRL_INLINE V load(const bfloat16* p) {
#if SWIRL_LEVEL == 2
  return (V)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16);
#elif SWIRL_LEVEL == 1
  return (V)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16);
#else
  return (V)(__builtin_convertvector(*(const HalfUnaligned*)p, U) << 16);
#endif
}
SWIRL_INLINE void store(float* p, V x) { *(Unaligned*)p = x; }
SWIRL_INLINE void store(bfloat16* p, V x) {
  const U word = (U)x;
  const U rounded = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
  const U nan = (word >> 16) | 0x40u;
  const U out = (x != x) ? nan : rounded;
#if SWIRL_LEVEL == 2
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtepi32_epi16((__m512i)out));
#elif SWIRL_LEVEL == 1
  const __m256i packed = _mm256_packus_epi32((__m256i)out, (__m256i)out);
  _mm_storeu_si128((__m128i*)p, _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
#else
  *(HalfUnaligned*)p = __builtin_convertvector(out, HalfUnaligned);
#endif
}

// The first n of kLanes elements; loads fill the rest with zeros, nothing past n is touched.
SWIRL_INLINE V load_n(const float* p, int n) {
#if SWIRL_LEVEL == 2
  return (V)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
  float part[kLanes] = {};
  for (int i = 0; i < n; ++i) part[i] = p[i];
  return load(part);
#endif
}
SWIRL_INLINE V load_n(const bfloat16* p, int n) {
  bfloat16 part[kLanes] = {};
  for (int i = 0; i < n; ++i) part[i] = p[i];
  return load(part);
}
SWIRL_INLINE void store_n(float* p, V x, int n) {
#if SWIRL_LEVEL == 2
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
#else
  for (int i = 0; i < n; ++i) p[i] = x[i];
#endif
}
SWIRL_INLINE void store_n(bfloat16* p, V x, int n) {
  bfloat16 part[kLanes];
  store(part, x);
  for (int i = 0; i < n; ++i) p[i] = part[i];
}

// a · b + c
SWIRL_INLINE V fma(V a, V b, V c) {
#if SWIRL_LEVEL == 2
  return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif SWIRL_LEVEL == 1
  return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}
SWIRL_INLINE V max(V a, V b) { return a > b ? a : b; }
SWIRL_INLINE V min(V a, V b) { return a < b ? a : b; }
SWIRL_INLINE V abs(V x) { return (V)((U)x & 0x7fffffffu); }
SWIRL_INLINE V sqrt(V x) {
#if SWIRL_LEVEL == 2
  return (V)_mm512_sqrt_ps((__m512)x);
#elif SWIRL_LEVEL == 1
  return (V)_mm256_sqrt_ps((__m256)x);
#else
  return V{std::sqrt(x[0]), std::sqrt(x[1]), std::sqrt(x[2]), std::sqrt(x[3])};
#endif
}

// Reduces across the lanes by halving: one fixed order.
SWIRL_INLINE float sum(V x) {
#if SWIRL_LEVEL >= 1
#if SWIRL_LEVEL == 2
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256((__m512)x), _mm512_extractf32x8_ps((__m512)x, 1));
#else
  const __m256 eight = (__m256)x;
#endif
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
  return (x[0] + x[2]) + (x[1] + x[3]);
#endif
}
// May drop a NaN.
SWIRL_INLINE float largest(V x) {
#if SWIRL_LEVEL >= 1
#if SWIRL_LEVEL == 2
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256((__m512)x), _mm512_extractf32x8_ps((__m512)x, 1));
#else
  const __m256 eight = (__m256)x;
#endif
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
#else
  const float a = x[0] > x[2] ? x[0] : x[2], b = x[1] > x[3] ? x[1] : x[3];
  return a > b ? a : b;
#endif
}

// e^x within 2 ulp; infinity above 88.8, 0 below -87.4 (below -104 with AVX-512, which has the subnormal
// numbers between), NaN for NaN. Cody–Waite reduction by ln 2, then 1 + r + r² · q(r) on [-ln2/2, ln2/2] with
// q of degree 4 interpolated at Chebyshev's points (relative error 1e-8).
SWIRL_INLINE V exp(V x) {
#if SWIRL_LEVEL == 2
  // This order of operands preserves a NaN.
  const __m512 bounded =
      _mm512_min_ps(_mm512_set1_ps(89.0f), _mm512_max_ps(_mm512_set1_ps(-105.0f), (__m512)x));
  const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(bounded, _mm512_set1_ps(1.44269504089f)), 8);
  V n = (V)whole, clamped = (V)bounded;
#else
  const V low = splat(-87.33654f), high = splat(88.72283f);
  const V clamped = low > x ? low : (high < x ? high : x);
  const V magic = splat(12582912.0f);  // 1.5 · 2^23: adding it rounds to an integer
  const V shifted = fma(clamped, splat(1.44269504089f), magic);
  const V n = shifted - magic;
#endif
  V r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  V q = splat(0.0013926213f);
  q = fma(q, r, splat(0.0083632031f));
  q = fma(q, r, splat(0.0416665561f));
  q = fma(q, r, splat(0.1666657626f));
  q = fma(q, r, splat(0.5f));
  const V p = fma(q, r * r, r) + 1.0f;
#if SWIRL_LEVEL == 2
  return (V)_mm512_scalef_ps((__m512)p, whole);
#else
  // 2^n as two factors, because 2^128 is not a float.
  const I power = (I)shifted - (I)magic;
  const I half = power >> 1;
  const V scale1 = (V)((half + 127) << 23), scale2 = (V)((power - half + 127) << 23);
  V out = p * scale1 * scale2;
  out = x > high ? splat(INFINITY) : out;
  out = x < low ? zeros() : out;
  return x != x ? x : out;
#endif
}

// tanh within about 4 ulp: a Taylor polynomial near 0, where 1 - e^-2|x| would cancel.
SWIRL_INLINE V tanh(V x) {
  const V a = abs(x);
  const V e = exp(-2.0f * a);
  const V far = (1.0f - e) / (1.0f + e);
  const V s = x * x;
  V p = splat(-1382.0f / 155925.0f);
  p = fma(p, s, splat(62.0f / 2835.0f));
  p = fma(p, s, splat(-17.0f / 315.0f));
  p = fma(p, s, splat(2.0f / 15.0f));
  p = fma(p, s, splat(-1.0f / 3.0f));
  const V near = fma(p * s, a, a);
  const V magnitude = a < 0.3f ? near : far;
  return (V)((U)magnitude | ((U)x & 0x80000000u));
}

// line[i][j] becomes line[j][i].
SWIRL_INLINE void transpose(V (&line)[kLanes]) {
#if SWIRL_LEVEL == 2
  __m512 t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps((__m512)line[i], (__m512)line[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps((__m512)line[i], (__m512)line[i + 1]);
  }
  __m512 s[16];
  for (int i = 0; i < 16; i += 4) {
    const __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 1]);
    const __m512d c = _mm512_castps_pd(t[i + 2]), d = _mm512_castps_pd(t[i + 3]);
    s[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
    s[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
    s[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
    s[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
  }
  // s[4g + c] holds, in 128-bit part q, column 4q + c of rows 4g … 4g + 3.
  for (int c = 0; c < 4; ++c) {
    const __m512 even01 = _mm512_shuffle_f32x4(s[c], s[4 + c], 0x88),
                 odd01 = _mm512_shuffle_f32x4(s[c], s[4 + c], 0xdd);
    const __m512 even23 = _mm512_shuffle_f32x4(s[8 + c], s[12 + c], 0x88);
    const __m512 odd23 = _mm512_shuffle_f32x4(s[8 + c], s[12 + c], 0xdd);
    line[c] = (V)_mm512_shuffle_f32x4(even01, even23, 0x88);
    line[8 + c] = (V)_mm512_shuffle_f32x4(even01, even23, 0xdd);
    line[4 + c] = (V)_mm512_shuffle_f32x4(odd01, odd23, 0x88);
    line[12 + c] = (V)_mm512_shuffle_f32x4(odd01, odd23, 0xdd);
  }
#elif SWIRL_LEVEL == 1
  __m256 t[8], s[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps((__m256)line[i], (__m256)line[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps((__m256)line[i], (__m256)line[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    s[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    s[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    s[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    s[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    line[i] = (V)_mm256_permute2f128_ps(s[i], s[i + 4], 0x20);
    line[i + 4] = (V)_mm256_permute2f128_ps(s[i], s[i + 4], 0x31);
  }
#else
  float copy[kLanes][kLanes];
  for (int i = 0; i < kLanes; ++i) store(copy[i], line[i]);
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < kLanes; ++j) line[i][j] = copy[j][i];
#endif
}

}  // namespace SWIRL_ISA
}  // namespace swirl
