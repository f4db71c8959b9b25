// The portable matrix product: blocked, packed, threaded, vectorized; AVX-512 bfloat16 dot products where the
// processor has them, else float32 arithmetic (bfloat16 widened while packing).
//
// Order of a sum, for every element of C: the k range is divided into equal blocks whose size depends on k alone;
// within a block one accumulator runs over k in order (in pairs for bfloat16 dot products, in steps of 32 for
// AMX), and block sums are added to C in order. Nothing else matters: not m, n, the position in C, or
// the threads. So a row has the same bits alone and among a thousand.
#include "native/cpu/gemm_portable.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "native/cpu/device.h"
#include "native/cpu/gemm.h"
#include "native/cpu/isa.h"

#define SWIRL_WITH_PAIRS
#define SWIRL_BODY "native/cpu/gemm.inl"
#include "native/cpu/each_isa.h"

// The same for AMX.
#if defined(__x86_64__) && defined(__linux__) && !defined(SWIRL_PLAIN_ONLY)
#if defined(__clang__)
#pragma clang attribute push(                                                                            \
    __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target( \
    "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,prefer-vector-width=512")
#endif
namespace swirl {
namespace amx_bf16 {
using namespace avx512;
}
}  // namespace swirl
#define SWIRL_ISA amx_bf16
#define SWIRL_PAIRS
#define SWIRL_TILES
#include "native/cpu/gemm.inl"
#undef SWIRL_TILES
#undef SWIRL_PAIRS
#undef SWIRL_ISA
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

namespace swirl {
namespace {

struct Tile {
  int rows, columns;  // of C in registers
};

Tile register_tile(swirl_dtype dtype) {
  if (dtype == SWIRL_BFLOAT16 && isa() >= Isa::kAmxBf16) return {32, 32};
  if (isa() >= Isa::kAvx512) return {14, 32};
  if (isa() == Isa::kAvx2) return {6, 16};
  return {4, 8};
}

// Blocks for the caches. Only block_k changes the bits, and it depends on k and the type alone.
Blocks choose_blocks(const Product& p, int threads) {
  const Tile tile = register_tile(p.dtype);
  Blocks out;
  out.pairs = p.dtype == SWIRL_BFLOAT16 && isa() >= Isa::kAvx512Bf16;
  const int64_t limit = out.pairs ? 768 : 384;
  const int64_t cuts = std::max<int64_t>(1, ceil_div(p.k, limit));
  out.k = static_cast<int32_t>(round_up(ceil_div(p.k, cuts), 32));
  out.tile_rows = tile.rows;
  out.tile_columns = tile.columns;
  out.pack_rows = tile.rows * (tile.rows > 16 ? 5 : 10);
  int64_t rows = std::min<int64_t>(p.m, 1024), columns = std::min<int64_t>(p.n, 384);
  // Halve the larger side until there are about four blocks per thread, or the blocks are small.
  while (threads > 1 && ceil_div(p.m, rows) * ceil_div(p.n, columns) < 4 * threads) {
    const bool wide = columns >= rows;
    if (wide && columns > 3 * tile.columns) {
      columns = ceil_div(columns, 2);
    } else if (rows > 5 * tile.rows) {
      rows = ceil_div(rows, 2);
    } else if (columns > 3 * tile.columns) {
      columns = ceil_div(columns, 2);
    } else {
      break;
    }
  }
  rows = ceil_div(p.m, ceil_div(p.m, rows));
  columns = ceil_div(p.n, ceil_div(p.n, columns));
  out.rows = static_cast<int32_t>(round_up(rows, tile.rows));
  out.columns = static_cast<int32_t>(round_up(columns, tile.columns));
  return out;
}

void run_block(const Product& p, const Blocks& blocks, const Scratch& scratch, int32_t row, int32_t column) {
#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
#if defined(__linux__)
  if (blocks.pairs && isa() >= Isa::kAmxBf16) {
    amx_bf16::product_block(p, blocks, scratch, row, column);
    return;
  }
#endif
  if (blocks.pairs) {
    avx512_bf16::product_block(p, blocks, scratch, row, column);
    return;
  }
#endif
  SWIRL_DISPATCH(product_block(p, blocks, scratch, row, column));
}

void pack_columns_of(const Product& p, const Blocks& blocks, int32_t column, int columns, float* to) {
#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
#if defined(__linux__)
  if (blocks.pairs && isa() >= Isa::kAmxBf16) {
    amx_bf16::pack_all(p, blocks, column, columns, to);
    return;
  }
#endif
  if (blocks.pairs) {
    avx512_bf16::pack_all(p, blocks, column, columns, to);
    return;
  }
#endif
  SWIRL_DISPATCH(pack_all(p, blocks, column, columns, to));
}

}  // namespace

const char* portable_name() { return isa_name(isa()); }

swirl_status portable_product(swirl_device* device, const Product& p) {
  const Blocks blocks = choose_blocks(p, device->threads);
  const Scratch::Sizes sizes = Scratch::sizes(p, blocks);
  if (!device->reserve(sizes.total)) return out_of_scratch(device, "gemm", sizes.total);
  const int64_t down = ceil_div(p.m, blocks.rows), across = ceil_div(p.n, blocks.columns);
  parallel_for(device, down * across, 1, [&](int64_t i, int64_t) {
    const Scratch scratch(device->scratch(thread_index()), sizes);
    run_block(p, blocks, scratch, static_cast<int32_t>(i % down) * blocks.rows,
              static_cast<int32_t>(i / down) * blocks.columns);
  });
  return SWIRL_OK;
}

size_t portable_packed_bytes(int32_t n, int32_t k, swirl_dtype dtype) {
  const Tile tile = register_tile(dtype);
  const bool pairs = dtype == SWIRL_BFLOAT16 && isa() >= Isa::kAvx512Bf16;
  return static_cast<size_t>(round_up(n, tile.columns) * round_up(k, 32)) * (pairs ? 2 : 4);
}

void portable_pack(swirl_device* device, const Product& p, float* to) {
  const Blocks blocks = choose_blocks(p, device->threads);
  const int32_t each = 8 * blocks.tile_columns;
  parallel_for(device, ceil_div(p.n, each), 1, [&](int64_t i, int64_t) {
    const auto column = static_cast<int32_t>(i) * each;
    pack_columns_of(p, blocks, column, std::min(each, p.n - column), to);
  });
}

}  // namespace swirl
