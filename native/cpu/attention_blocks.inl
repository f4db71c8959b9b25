// Shared by attention forward and backward: loading of rows, small matrix products, masks.
//
// A unit is 32 bits of an operand: a float, or with SWIRL_PAIRS two bfloat16 that are multiplied in one dot
// product. Operands come in three layouts:
//   lines   [rows, units]           units along the row: the left operand
//   turned  [units, kKeyBlock]      the transpose of lines: the right operand, summing along the row
//   stacked [rows / kDepth, width]  units across rows: the right operand, summing over rows
// Sums, scores and everything else are float32. With pairs, probabilities and score gradients are rounded to
// bfloat16 before they are multiplied by values, as in flash attention.
namespace swirl {
namespace SWIRL_ISA {

#if defined(SWIRL_PAIRS)
constexpr int kDepth = 2;

SWIRL_INLINE V multiply_add(V a, V b, V c) {
  return (V)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}

// One head as a line: to[units] = from[head_dim], padded with zeros.
SWIRL_INLINE void load_line(const bfloat16* from, int32_t head_dim, int32_t units, float* to) {
  for (int32_t u = 0; u < units; u += kLanes) {
    const int32_t left = head_dim - 2 * u;
    const __mmask32 mask = left >= 32 ? 0xffffffffu : left <= 0 ? 0 : (1u << left) - 1;
    store(to + u, (V)_mm512_maskz_loadu_epi16(mask, from + 2 * u));
  }
}

// Converts lines [rows, units] to stacked; an odd last row is paired with zeros. Returns where they are.
static inline const float* stack(const float* lines, int32_t rows, int32_t units, float* stacked) {
  static const uint16_t kOrder[2][32] = {{0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                          8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47},
                                         {16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55,
                                          24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63}};
  const __m512i low = _mm512_loadu_si512(kOrder[0]), high = _mm512_loadu_si512(kOrder[1]);
  for (int32_t r = 0; r < rows; r += 2) {
    const float* first = lines + static_cast<int64_t>(r) * units;
    float* to = stacked + static_cast<int64_t>(r) * units;
    for (int32_t u = 0; u < units; u += kLanes) {
      const __m512i a = (__m512i)load(first + u),
                    b = r + 1 < rows ? (__m512i)load(first + units + u) : _mm512_setzero_si512();
      store(to + 2 * u, (V)_mm512_permutex2var_epi16(a, low, b));
      store(to + 2 * u + kLanes, (V)_mm512_permutex2var_epi16(a, high, b));
    }
  }
  return stacked;
}

// Converts scores [columns] of one query to a line, in place; columns may end in half a vector of the
// line.
SWIRL_INLINE void scores_to_line(float* scores, int32_t columns) {
  for (int32_t j = 0; j < columns; j += 2 * kLanes) {
    const V low = load(scores + j), high = load(scores + j + kLanes);
    store(scores + j / 2, (V)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
  }
}

// Converts scores [queries, columns], kKeyBlock apart, to stacked, in place: pair i at scores + 2 · i ·
// kKeyBlock.
static inline void scores_to_stack(float* scores, int32_t queries, int32_t columns) {
  for (int32_t m = 0; m < queries; m += 2) {
    float* first = scores + static_cast<int64_t>(m) * kKeyBlock;
    for (int32_t j = 0; j < columns; j += kLanes) {
      const V second = m + 1 < queries ? load(first + kKeyBlock + j) : zeros();
      const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)load(first + j)));
      const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)second));
      store(first + j, (V)_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
  }
}
#else
constexpr int kDepth = 1;

SWIRL_INLINE V multiply_add(V a, V b, V c) { return fma(a, b, c); }

template <class T>
SWIRL_INLINE void load_line(const T* from, int32_t head_dim, int32_t units, float* to) {
  int32_t i = 0;
  for (; i + kLanes <= head_dim; i += kLanes) store(to + i, load(from + i));
  for (; i < units; i += kLanes) store(to + i, i < head_dim ? load_n(from + i, head_dim - i) : zeros());
}

static inline const float* stack(const float* lines, int32_t, int32_t, float*) { return lines; }
SWIRL_INLINE void scores_to_line(float*, int32_t) {}
static inline void scores_to_stack(float*, int32_t, int32_t) {}
#endif

// Where rows continue in memory, the next block's are prefetched: rows of a head are too far apart for
// the hardware prefetcher.
template <class T>
SWIRL_INLINE void fetch(const T* line, int32_t head_dim) {
  for (int32_t d = 0; d < head_dim; d += static_cast<int32_t>(64 / sizeof(T)))
    __builtin_prefetch(line + d, 0, 2);
}

// Lines [columns, units] of a key block; absent ones are zero. `from` is already at the head.
template <class T>
void load_keys(const KeyBlock& block, const T* from, int64_t ld, int32_t head_dim, int32_t units,
               float* lines) {
  for (int32_t j = 0; j < block.count; ++j) {
    const T* line = from + block.slots[j] * ld;
    fetch(line + kKeyBlock * ld, head_dim);
    load_line(line, head_dim, units, lines + static_cast<int64_t>(j) * units);
  }
  std::memset(
      lines + static_cast<int64_t>(block.count) * units, 0,
      static_cast<size_t>(block.columns() - block.count) * static_cast<size_t>(units) * sizeof(float));
}

// Converts lines [columns, units] to turned.
static inline void turn(const float* lines, int32_t columns, int32_t units, float* turned) {
  for (int32_t d = 0; d < units; d += kLanes) {
    for (int32_t j = 0; j < columns; j += kLanes) {
      V line[kLanes];
      for (int i = 0; i < kLanes; ++i) line[i] = load(lines + static_cast<int64_t>(j + i) * units + d);
      transpose(line);
      for (int i = 0; i < kLanes; ++i) store(turned + static_cast<int64_t>(d + i) * kKeyBlock + j, line[i]);
    }
  }
}

constexpr int kBlockRows = kLanes == 16 ? 12 : (kLanes == 8 ? 6 : 3);

// One register tile of matmul.
template <int kRows, int kVectors, bool kAdd>
SWIRL_INLINE void matmul_tile(int32_t units, const float* a, int64_t a_row, int64_t a_step, const float* b,
                              int64_t ldb, float* c, int64_t ldc) {
  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = zeros();
  for (int32_t k = 0; k < units; ++k) {
    V line[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) line[j] = load(b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V x = splat(a[i * a_row]);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = multiply_add(x, line[j], sum[i][j]);
    }
    a += a_step;
    b += ldb;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      float* to = c + i * ldc + j * kLanes;
      store(to, kAdd ? load(to) + sum[i][j] : sum[i][j]);
    }
}

template <int kRows, bool kAdd>
SWIRL_INLINE void matmul_strip(int32_t columns, int32_t units, const float* a, int64_t a_row, int64_t a_step,
                               const float* b, int64_t ldb, float* c, int64_t ldc) {
  int32_t j = 0;
  for (; j + 2 * kLanes <= columns; j += 2 * kLanes)
    matmul_tile<kRows, 2, kAdd>(units, a, a_row, a_step, b + j, ldb, c + j, ldc);
  for (; j < columns; j += kLanes)
    matmul_tile<kRows, 1, kAdd>(units, a, a_row, a_step, b + j, ldb, c + j, ldc);
}

// C[rows, columns] = (kAdd: +=) A · B, A's unit (i, k) at a[i · a_row + k · a_step]; columns a multiple of
// kLanes. An element's sum runs over k in order, whatever the other sizes.
template <bool kAdd>
void matmul(int32_t rows, int32_t columns, int32_t units, const float* a, int64_t a_row, int64_t a_step,
            const float* b, int64_t ldb, float* c, int64_t ldc) {
  int32_t i = 0;
  for (; i + kBlockRows <= rows; i += kBlockRows)
    matmul_strip<kBlockRows, kAdd>(columns, units, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc);
  for (; i + 6 <= rows; i += 6)
    matmul_strip<6, kAdd>(columns, units, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc);
  for (; i + 3 <= rows; i += 3)
    matmul_strip<3, kAdd>(columns, units, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc);
  for (; i < rows; ++i)
    matmul_strip<1, kAdd>(columns, units, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc);
}

SWIRL_INLINE V lane_numbers() {
  V out = zeros();
  for (int i = 0; i < kLanes; ++i) out[i] = static_cast<float>(i);
  return out;
}

// Scores of kLanes keys from their products: scaled and soft-capped.
SWIRL_INLINE V score(V product, const swirl_attention_shape& shape) {
  V s = product * splat(shape.scale);
  if (shape.softcap > 0) s = splat(shape.softcap) * tanh(s / shape.softcap);
  return s;
}

// d score / d product at a score
SWIRL_INLINE V score_slope(V s, const swirl_attention_shape& shape) {
  if (shape.softcap <= 0) return splat(shape.scale);
  const V t = s / shape.softcap;
  return splat(shape.scale) * (1.0f - t * t);
}

// x where low <= lane <= high, else `other`; lanes are numbered by `lane`.
SWIRL_INLINE V keep(V x, V lane, float low, float high, V other) {
  const V inside = lane < low ? other : x;
  return lane > high ? other : inside;
}

}  // namespace SWIRL_ISA
}  // namespace swirl
