// Block sizes and packing buffers of the portable matrix product.
#ifndef SWIRL_CPU_GEMM_PORTABLE_H_
#define SWIRL_CPU_GEMM_PORTABLE_H_

#include <cstddef>
#include <cstdint>

#include "native/cpu/gemm.h"

namespace swirl {

struct Blocks {
  bool pairs;                       // bfloat16 pairs and dot products, else float32
  int32_t k;                        // of a block sum, in elements
  int32_t rows, columns;            // of the block of C one thread computes at a time
  int32_t pack_rows;                // rows of A packed at a time
  int32_t tile_rows, tile_columns;  // of C in registers
};

// One thread's buffers. A unit is 32 bits: a float, or two bfloat16 with successive k.
struct Scratch {
  struct Sizes {
    size_t a, b, c, total;  // bytes
  };
  uint32_t* a;  // [pack_rows / tile_rows][units of k][tile_rows]
  uint32_t* b;  // [columns / tile_columns][units of k][tile_columns]
  float* c;     // [rows, columns] sums of the k blocks so far, when C is bfloat16

  static Sizes sizes(const Product& p, const Blocks& blocks) {
    const size_t units = static_cast<size_t>(blocks.pairs ? blocks.k / 2 : blocks.k);
    Sizes out;
    out.a = round(units * static_cast<size_t>(blocks.pack_rows) * 4);
    out.b = p.packed != nullptr ? 0 : round(units * static_cast<size_t>(blocks.columns) * 4);
    const bool sums = p.c_type == SWIRL_BFLOAT16;
    out.c = sums ? round(static_cast<size_t>(blocks.rows) * static_cast<size_t>(blocks.columns) * 4) : 0;
    out.total = out.a + out.b + out.c;
    return out;
  }
  Scratch(void* memory, const Sizes& sizes) {
    char* place = static_cast<char*>(memory);
    b = reinterpret_cast<uint32_t*>(place);
    a = reinterpret_cast<uint32_t*>(place + sizes.b);
    c = reinterpret_cast<float*>(place + sizes.b + sizes.a);
  }

 private:
  static size_t round(size_t bytes) { return (bytes + 63) / 64 * 64; }
};

}  // namespace swirl

#endif  // SWIRL_CPU_GEMM_PORTABLE_H_
