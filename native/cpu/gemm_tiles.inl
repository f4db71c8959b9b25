// The register tile on AMX: two by two tile registers, 32 rows by 32 columns of C, 16 units (32 elements of
// k) a step. Included by gemm.inl in place of its vector tile. A sum runs over steps of 32 k in order; within
// a step the instruction sums even and odd k apart. SWIRL_AMX_EMULATED replaces the registers with memory,
// so that everything but the five instructions is tested on any AVX-512 machine.
namespace swirl {
namespace SWIRL_ISA {

constexpr int kTileRows = 32;
constexpr int kTileColumns = 32;
constexpr int kUnitStep = 16;

#if defined(SWIRL_AMX_EMULATED)
struct TileRegister {
  uint32_t word[16][16];
};
inline TileRegister* tile_registers() {
  static thread_local TileRegister registers[8];
  return registers;
}
inline void emulate_load(int tile, const void* from, int64_t stride) {
  for (int r = 0; r < 16; ++r)
    std::memcpy(tile_registers()[tile].word[r], static_cast<const char*>(from) + r * stride, 64);
}
inline void emulate_store(int tile, void* to, int64_t stride) {
  for (int r = 0; r < 16; ++r)
    std::memcpy(static_cast<char*>(to) + r * stride, tile_registers()[tile].word[r], 64);
}
inline float half_of(uint32_t word, int odd) {
  return to_float(bfloat16{static_cast<uint16_t>(word >> (16 * odd))});
}
inline void emulate_dot(int c, int a, int b) {
  TileRegister* t = tile_registers();
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 16; ++n) {
      float even = 0, odd = 0, sum;
      for (int k = 0; k < 16; ++k) {
        even += half_of(t[a].word[m][k], 0) * half_of(t[b].word[k][n], 0);
        odd += half_of(t[a].word[m][k], 1) * half_of(t[b].word[k][n], 1);
      }
      std::memcpy(&sum, &t[c].word[m][n], 4);
      sum += even + odd;
      std::memcpy(&t[c].word[m][n], &sum, 4);
    }
  }
}
#define SWIRL_TILE_CONFIGURE() (void)0
#define SWIRL_TILE_RELEASE() (void)0
#define SWIRL_TILE_ZERO(t) std::memset(&tile_registers()[t], 0, sizeof(TileRegister))
#define SWIRL_TILE_LOAD(t, from, stride) emulate_load(t, from, stride)
#define SWIRL_TILE_STORE(t, to, stride) emulate_store(t, to, stride)
#define SWIRL_TILE_DOT(c, a, b) emulate_dot(c, a, b)
#else
// All eight tile registers as 16 rows of 64 bytes.
SWIRL_INLINE void configure_tiles() {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  // GCC 12's intrinsics do not declare the memory that they read: everything must be written before
  // them.
  asm volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}
#define SWIRL_TILE_CONFIGURE() configure_tiles()
#define SWIRL_TILE_RELEASE() _tile_release()
#define SWIRL_TILE_ZERO(t) _tile_zero(t)
#define SWIRL_TILE_LOAD(t, from, stride) _tile_loadd(t, from, stride)
#define SWIRL_TILE_STORE(t, to, stride) _tile_stored(t, to, stride)
#define SWIRL_TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)
#endif

// A in tiles: [count / 16][units / 16][16 rows][16 units], zeros past the last row and past `depth`.
inline void pack_left(const bfloat16* matrix, int64_t ld, bool columns, int64_t first, int count,
                      int64_t begin, int units, int depth, float* to) {
  for (int row = 0; row < count; row += 16) {
    const int rows = count - row < 16 ? count - row : 16;
    for (int u = 0; u < units; u += 16) {
      V line[16];
      const int left = depth - 2 * u;
      for (int i = 0; i < 16; ++i) {
        if (!columns) {
          line[i] = i < rows ? load_units(matrix + (first + row + i) * ld + begin + 2 * u, left) : zeros();
        } else {
          const bfloat16* p = matrix + (begin + 2 * (u + i)) * ld + first + row;
          line[i] = interleave(p, 2 * i + 1 < left ? p + ld : nullptr, 2 * i < left ? rows : 0);
        }
      }
      if (columns) transpose(line);
      for (int i = 0; i < 16; ++i) store(to + i * 16, line[i]);
      to += 256;
    }
  }
}

// out[rows, columns] = prev (or nothing) + the sums [kTileRows, kTileColumns].
template <class Out>
SWIRL_INLINE void store_sums(const float* sums, int rows, int columns, const float* prev, int64_t ld_prev,
                             Out* out, int64_t ld_out) {
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; j += kLanes) {
      const int width = columns - j < kLanes ? columns - j : kLanes;
      V x = load(sums + i * kTileColumns + j);
      if (prev != nullptr) x = load_n(prev + i * ld_prev + j, width) + x;
      if (width == kLanes) {
        store(out + i * ld_out + j, x);
      } else {
        store_n(out + i * ld_out + j, x, width);
      }
    }
  }
}

// Packed A [rows] against packed B [columns].
template <class Out>
void multiply_panels(int rows, int columns, int units, const float* a, const float* b, const float* prev,
                     int64_t ld_prev, Out* out, int64_t ld_out) {
  alignas(64) float sums[kTileRows * kTileColumns];
  constexpr int64_t kStride = kTileColumns * 4;  // of a row of B and of the sums, in bytes
  SWIRL_TILE_CONFIGURE();
  asm volatile("" : : "r"(a), "r"(b) : "memory");  // the packed panels are in memory: see configure_tiles
  for (int i = 0; i < rows; i += kTileRows) {
    const float* upper = a + static_cast<int64_t>(i) * units;
    const float* lower = upper + static_cast<int64_t>(16) * units;
    const bool two = rows - i > 16;
    for (int j = 0; j < columns; j += kTileColumns) {
      const float* panel = b + static_cast<int64_t>(j) * units;
      SWIRL_TILE_ZERO(0);
      SWIRL_TILE_ZERO(1);
      SWIRL_TILE_ZERO(2);
      SWIRL_TILE_ZERO(3);
      for (int u = 0; u < units; u += 16) {
        SWIRL_TILE_LOAD(6, panel + static_cast<int64_t>(u) * kTileColumns, kStride);
        SWIRL_TILE_LOAD(7, panel + static_cast<int64_t>(u) * kTileColumns + 16, kStride);
        SWIRL_TILE_LOAD(4, upper + static_cast<int64_t>(u) * 16, 64);
        SWIRL_TILE_DOT(0, 4, 6);
        SWIRL_TILE_DOT(1, 4, 7);
        if (two) {
          SWIRL_TILE_LOAD(5, lower + static_cast<int64_t>(u) * 16, 64);
          SWIRL_TILE_DOT(2, 5, 6);
          SWIRL_TILE_DOT(3, 5, 7);
        }
      }
      SWIRL_TILE_STORE(0, sums, kStride);
      SWIRL_TILE_STORE(1, sums + 16, kStride);
      if (two) {
        SWIRL_TILE_STORE(2, sums + 16 * kTileColumns, kStride);
        SWIRL_TILE_STORE(3, sums + 16 * kTileColumns + 16, kStride);
      }
      store_sums(sums, rows - i < kTileRows ? rows - i : kTileRows,
                 columns - j < kTileColumns ? columns - j : kTileColumns,
                 prev != nullptr ? prev + i * ld_prev + j : nullptr, ld_prev, out + i * ld_out + j, ld_out);
    }
  }
  SWIRL_TILE_RELEASE();
}

#undef SWIRL_TILE_CONFIGURE
#undef SWIRL_TILE_RELEASE
#undef SWIRL_TILE_ZERO
#undef SWIRL_TILE_LOAD
#undef SWIRL_TILE_STORE
#undef SWIRL_TILE_DOT

}  // namespace SWIRL_ISA
}  // namespace swirl
