// What attention forward and backward share: loading of rows, small matrix products, masks. Float32
// throughout.
namespace swirl {
namespace SWIRL_ISA {

// to[width] = from[head_dim], zeros behind.
template <class T>
SWIRL_INLINE void load_head(const T* from, int32_t head_dim, int32_t width, float* to) {
  int32_t i = 0;
  for (; i + kLanes <= head_dim; i += kLanes) store(to + i, load(from + i));
  for (; i < width; i += kLanes) store(to + i, i < head_dim ? load_n(from + i, head_dim - i) : zeros());
}

// rows [kKeyBlock, width] of a key block; absent ones are zero. `from` is already at the head.
template <class T>
void load_keys(const KeyBlock& block, const T* from, int64_t ld, int32_t head_dim, int32_t width,
               float* rows) {
  for (int32_t j = 0; j < block.count; ++j)
    load_head(from + block.slots[j] * ld, head_dim, width, rows + static_cast<int64_t>(j) * width);
  std::memset(rows + static_cast<int64_t>(block.count) * width, 0,
              static_cast<size_t>(kKeyBlock - block.count) * static_cast<size_t>(width) * sizeof(float));
}

// turned [width, kKeyBlock] = rowsᵀ of [kKeyBlock, width]
static inline void turn(const float* rows, int32_t width, float* turned) {
  for (int32_t d = 0; d < width; d += kLanes) {
    for (int32_t j = 0; j < kKeyBlock; j += kLanes) {
      V line[kLanes];
      for (int i = 0; i < kLanes; ++i) line[i] = load(rows + static_cast<int64_t>(j + i) * width + d);
      transpose(line);
      for (int i = 0; i < kLanes; ++i) store(turned + static_cast<int64_t>(d + i) * kKeyBlock + j, line[i]);
    }
  }
}

constexpr int kBlockRows = kLanes == 16 ? 12 : (kLanes == 8 ? 6 : 4);

// One register tile of matmul.
template <int kRows, int kVectors, bool kAdd>
SWIRL_INLINE void matmul_tile(int32_t depth, const float* a, int64_t a_row, int64_t a_step, const float* b,
                              int64_t ldb, float* c, int64_t ldc) {
  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = zeros();
  for (int32_t k = 0; k < depth; ++k) {
    V line[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) line[j] = load(b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V x = splat(a[i * a_row]);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = fma(x, line[j], sum[i][j]);
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
SWIRL_INLINE void matmul_strip(int32_t columns, int32_t depth, const float* a, int64_t a_row, int64_t a_step,
                               const float* b, int64_t ldb, float* c, int64_t ldc) {
  int32_t j = 0;
  for (; j + 2 * kLanes <= columns; j += 2 * kLanes)
    matmul_tile<kRows, 2, kAdd>(depth, a, a_row, a_step, b + j, ldb, c + j, ldc);
  for (; j < columns; j += kLanes)
    matmul_tile<kRows, 1, kAdd>(depth, a, a_row, a_step, b + j, ldb, c + j, ldc);
}

// C[rows, columns] = (kAdd: +=) A · B, A's element (i, k) at a[i · a_row + k · a_step]; columns a multiple of
// kLanes. An element's sum runs over k in order, whatever the other sizes.
template <bool kAdd>
void matmul(int32_t rows, int32_t columns, int32_t depth, const float* a, int64_t a_row, int64_t a_step,
            const float* b, int64_t ldb, float* c, int64_t ldc) {
  int32_t i = 0;
  for (; i + kBlockRows <= rows; i += kBlockRows)
    matmul_strip<kBlockRows, kAdd>(columns, depth, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc);
  for (; i + 3 <= rows; i += 3)
    matmul_strip<3, kAdd>(columns, depth, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc);
  for (; i < rows; ++i)
    matmul_strip<1, kAdd>(columns, depth, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc);
}

SWIRL_INLINE V lane_numbers() {
  V out;
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
