// The product of one block of C: packing and the register tile. See gemm_portable.cc for the order of sums.
// A unit is the part of A that one multiply-add takes: a float, or with SWIRL_PAIRS two bfloat16 of
// successive k.
namespace swirl {
namespace SWIRL_ISA {

#if defined(SWIRL_PAIRS)
constexpr int kDepth = 2;  // elements of k in a unit

// kLanes units from p, of which `have` elements exist; the rest are zeros.
SWIRL_INLINE V load_units(const bfloat16* p, int have) {
  const __mmask32 mask = have >= 32 ? 0xffffffffu : (1u << have) - 1;
  return (V)_mm512_maskz_loadu_epi16(mask, p);
}
// Units of the columns at p and the columns one k further, at q.
SWIRL_INLINE V interleave(const bfloat16* p, const bfloat16* q, int columns) {
  const __mmask16 mask = (__mmask16)((1u << columns) - 1);
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p));
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(q != nullptr ? mask : 0, q));
  return (V)_mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}
SWIRL_INLINE V multiply_add(V a, V b, V c) {
  return (V)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}
#else
constexpr int kDepth = 1;

template <class T>
SWIRL_INLINE V load_units(const T* p, int have) {
  return have >= kLanes ? load(p) : load_n(p, have);
}
template <class T>
SWIRL_INLINE V interleave(const T* p, const T*, int columns) {
  return columns >= kLanes ? load(p) : load_n(p, columns);
}
SWIRL_INLINE V multiply_add(V a, V b, V c) { return fma(a, b, c); }
#endif

// One panel: to[u * width + r] = unit u of line r, for r < lines (zeros up to width) and u < units, where
// unit u holds k = u · kDepth … of `depth` elements in all. The source's lines lie along memory: from[r * ld
// + k].
template <int kWidth, class T>
SWIRL_INLINE void pack_lines(const T* from, int64_t ld, int lines, int units, int depth, float* to) {
  constexpr int width = kWidth;
  for (int u = 0; u < units; u += kLanes) {
    const int left = depth - u * kDepth;
    const int count = units - u < kLanes ? units - u : kLanes;
    for (int r = 0; r < width; r += kLanes) {
      V line[kLanes];
      for (int i = 0; i < kLanes; ++i) {
        const T* p = from + (r + i) * ld + u * kDepth;
        line[i] = r + i < lines ? load_units(p, left) : zeros();
        // The lines of the next panel: too many short streams for the hardware prefetcher.
        if (kWidth > kLanes) __builtin_prefetch(p + kWidth * ld, 0, 2);
      }
      transpose(line);
      const int span = width - r < kLanes ? width - r : kLanes;
      float* target = to + static_cast<int64_t>(u) * width + r;
      if (span == kLanes && count == kLanes) {
        for (int i = 0; i < kLanes; ++i) store(target + static_cast<int64_t>(i) * width, line[i]);
      } else {
        for (int i = 0; i < count; ++i) store_n(target + static_cast<int64_t>(i) * width, line[i], span);
      }
    }
  }
}

// The same panel from a source whose lines lie across memory: from[k * ld + r].
template <class T>
SWIRL_INLINE void pack_columns(const T* from, int64_t ld, int lines, int width, int units, int depth,
                               float* to) {
  for (int u = 0; u < units; ++u) {
    const T* p = from + static_cast<int64_t>(u) * kDepth * ld;
    const T* q = u * kDepth + 1 < depth ? p + ld : nullptr;
    float* target = to + static_cast<int64_t>(u) * width;
    // Rows far apart: too many short streams for the hardware prefetcher.
    __builtin_prefetch(p + 16 * ld, 0, 2);
    if (kDepth == 2) __builtin_prefetch(p + 17 * ld, 0, 2);
    for (int r = 0; r < width; r += kLanes) {
      const int span = width - r < kLanes ? width - r : kLanes;
      const int there = u * kDepth < depth ? lines - r : 0;
      const int have = there < 0 ? 0 : (there < span ? there : span);
      const V unit = interleave(p + r, q != nullptr ? q + r : nullptr, have);
      if (span == kLanes) {
        store(target + r, unit);
      } else {
        store_n(target + r, unit, span);
      }
    }
  }
}

// Panels kWidth wide of `each` lines, lines [first, first + count), k [begin, begin + depth).
template <int kWidth, class T>
void pack(const T* matrix, int64_t ld, bool columns, int64_t first, int count, int each, int64_t begin,
          int units, int depth, float* to) {
  for (int line = 0; line < count; line += each) {
    const int lines = count - line < each ? count - line : each;
    if (columns) {
      pack_columns(matrix + begin * ld + first + line, ld, lines, kWidth, units, depth, to);
    } else {
      pack_lines<kWidth>(matrix + (first + line) * ld + begin, ld, lines, units, depth, to);
    }
    to += static_cast<int64_t>(units) * kWidth;
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl

#if defined(SWIRL_TILES)
#include "native/cpu/gemm_tiles.inl"
#else
#include "native/cpu/gemm_vectors.inl"
#endif

namespace swirl {
namespace SWIRL_ISA {

inline int64_t padded_columns(int64_t n) { return (n + kTileColumns - 1) / kTileColumns * kTileColumns; }

// Units of the k block of `depth` elements.
inline int units_of(int depth) {
  return ((depth + kDepth - 1) / kDepth + kUnitStep - 1) / kUnitStep * kUnitStep;
}

template <class T>
void pack_right(const Product& p, int32_t column, int columns, int32_t k, int units, int depth, float* to) {
  pack<kTileColumns>(static_cast<const T*>(p.b), p.ldb, !p.transpose_b, column, columns, kTileColumns, k,
                     units, depth, to);
}

// Columns [column, column + columns) of all of B: k blocks one after the other, each [panels][units][columns].
// `column` begins a panel. Blocks of k but the last are whole units long (choose_blocks).
inline void pack_all(const Product& p, const Blocks& blocks, int32_t column, int columns, float* to) {
  for (int32_t k = 0; k < p.k; k += blocks.k) {
    const int depth = p.k - k < blocks.k ? p.k - k : blocks.k, units = units_of(depth);
    float* target =
        to + static_cast<int64_t>(k / kDepth) * padded_columns(p.n) + static_cast<int64_t>(column) * units;
#if !defined(SWIRL_PAIRS)
    if (p.dtype == SWIRL_FLOAT32) {
      pack_right<float>(p, column, columns, k, units, depth, target);
      continue;
    }
#endif
    pack_right<bfloat16>(p, column, columns, k, units, depth, target);
  }
}

// C's block at (row, column). T is the type of A and B, Out that of C.
template <class T, class Out>
void product_block_typed(const Product& p, const Blocks& blocks, const Scratch& scratch, int32_t row,
                         int32_t column) {
  const int rows = p.m - row < blocks.rows ? p.m - row : blocks.rows;
  const int columns = p.n - column < blocks.columns ? p.n - column : blocks.columns;
  Out* c = static_cast<Out*>(p.c) + static_cast<int64_t>(row) * p.ldc + column;
  float* packed_a = reinterpret_cast<float*>(scratch.a);
  float* packed_b = reinterpret_cast<float*>(scratch.b);
  constexpr bool kSums = !std::is_same<Out, float>::value;  // float32 sums kept apart from a narrower C
  bool accumulate = p.accumulate;
  if (kSums && accumulate) {
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        scratch.c[i * blocks.columns + j] = to_float(c[i * static_cast<int64_t>(p.ldc) + j]);
  }
  int32_t k = 0;
  do {
    const int depth = p.k - k < blocks.k ? p.k - k : blocks.k;
    const int units = units_of(depth);
    const bool last = k + depth >= p.k;
    const float* panels = packed_b;
    if (p.packed != nullptr) {
      panels = p.packed + static_cast<int64_t>(k / kDepth) * padded_columns(p.n) +
               static_cast<int64_t>(column) * units;
    } else {
      pack_right<T>(p, column, columns, k, units, depth, packed_b);
    }
    for (int i = 0; i < rows; i += blocks.pack_rows) {
      const int count = rows - i < blocks.pack_rows ? rows - i : blocks.pack_rows;
      pack_left(static_cast<const T*>(p.a), p.lda, p.transpose_a, row + i, count, k, units, depth, packed_a);
      Out* out = c + i * static_cast<int64_t>(p.ldc);
      if constexpr (kSums) {
        float* sums = scratch.c + static_cast<int64_t>(i) * blocks.columns;
        const float* prev = accumulate ? sums : nullptr;
        if (last) {
          multiply_panels(count, columns, units, packed_a, panels, prev, blocks.columns, out, p.ldc);
        } else {
          multiply_panels(count, columns, units, packed_a, panels, prev, blocks.columns, sums,
                          blocks.columns);
        }
      } else {
        multiply_panels(count, columns, units, packed_a, panels, accumulate ? out : nullptr, p.ldc, out,
                        p.ldc);
      }
    }
    accumulate = true;
    k += depth;
  } while (k < p.k);
}

inline void product_block(const Product& p, const Blocks& blocks, const Scratch& scratch, int32_t row,
                          int32_t column) {
#if !defined(SWIRL_PAIRS)
  if (p.dtype == SWIRL_FLOAT32) {
    product_block_typed<float, float>(p, blocks, scratch, row, column);
    return;
  }
#endif
  if (p.c_type == SWIRL_FLOAT32) {
    product_block_typed<bfloat16, float>(p, blocks, scratch, row, column);
  } else {
    product_block_typed<bfloat16, bfloat16>(p, blocks, scratch, row, column);
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
