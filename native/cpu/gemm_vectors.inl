// The register tile in vector registers: 14 rows by 32 columns of C with AVX-512, 6 by 16 with AVX2, 4 by 8
// without. Included by gemm.inl.
namespace swirl {
namespace SWIRL_ISA {

constexpr int kTileRows = kLanes == 16 ? 14 : (kLanes == 8 ? 6 : 4);
constexpr int kTileColumns = 2 * kLanes;
constexpr int kUnitStep = 1;

// Rows of a register tile when `count` rows are divided evenly: a small last tile would leave the multipliers
// idle.
inline int rows_of_tile(int count) {
  const int tiles = (count + kTileRows - 1) / kTileRows;
  return (count + tiles - 1) / tiles;
}

// A in panels kTileRows wide.
template <class T>
void pack_left(const T* matrix, int64_t ld, bool columns, int64_t first, int count, int64_t begin, int units,
               int depth, float* to) {
  pack<kTileRows>(matrix, ld, columns, first, count, rows_of_tile(count), begin, units, depth, to);
}

// out = prev + sum, or sum where prev is null, for `columns` columns.
template <int kRows, class Out>
SWIRL_INLINE void store_tile(V (&sum)[kRows][2], const float* prev, int64_t ld_prev, Out* out, int64_t ld_out,
                             int columns) {
  if (columns == kTileColumns) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        V x = sum[i][j];
        if (prev != nullptr) x = load(prev + i * ld_prev + j * kLanes) + x;
        store(out + i * ld_out + j * kLanes, x);
      }
    }
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const int width = columns - j * kLanes < kLanes ? columns - j * kLanes : kLanes;
      if (width <= 0) continue;
      V x = sum[i][j];
      if (prev != nullptr) x = load_n(prev + i * ld_prev + j * kLanes, width) + x;
      store_n(out + i * ld_out + j * kLanes, x, width);
    }
  }
}

// One register tile: out[kRows, columns] = prev + A · B over a block of k.
template <int kRows, class Out>
void multiply(int units, const float* a, const float* b, const float* prev, int64_t ld_prev, Out* out,
              int64_t ld_out, int columns) {
  V sum[kRows][2];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) sum[i][0] = sum[i][1] = zeros();
  for (int u = 0; u < units; ++u) {
    const V b0 = load(b), b1 = load(b + kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V x = splat(a[i]);
      sum[i][0] = multiply_add(x, b0, sum[i][0]);
      sum[i][1] = multiply_add(x, b1, sum[i][1]);
    }
    a += kTileRows;
    b += kTileColumns;
  }
  store_tile<kRows>(sum, prev, ld_prev, out, ld_out, columns);
}

template <int kRows, class Out>
void multiply_rows(int rows, int units, const float* a, const float* b, const float* prev, int64_t ld_prev,
                   Out* out, int64_t ld_out, int columns) {
  if (rows >= kRows) {
    multiply<kRows>(units, a, b, prev, ld_prev, out, ld_out, columns);
  } else if constexpr (kRows > 1) {
    multiply_rows<kRows - 1>(rows, units, a, b, prev, ld_prev, out, ld_out, columns);
  }
}

// All register tiles of packed A [rows] against packed B [columns].
template <class Out>
void multiply_panels(int rows, int columns, int units, const float* a, const float* b, const float* prev,
                     int64_t ld_prev, Out* out, int64_t ld_out) {
  const int each = rows_of_tile(rows);
  for (int i = 0; i < rows; i += each, a += static_cast<int64_t>(kTileRows) * units) {
    for (int j = 0; j < columns; j += kTileColumns) {
      multiply_rows<kTileRows>(
          rows - i < each ? rows - i : each, units, a, b + static_cast<int64_t>(j) * units,
          prev != nullptr ? prev + i * ld_prev + j : nullptr, ld_prev, out + i * ld_out + j, ld_out,
          columns - j < kTileColumns ? columns - j : kTileColumns);
    }
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
