// Two passes without atomics: dq by query tiles, dk and dv by key tiles. A key's sum runs over its queries in
// order.
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "native/cpu/attention.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

namespace swirl {
namespace {

template <class T>
struct Gradient {
  const T *q, *k, *v, *dout;
  int64_t ldq, ldk, ldv, lddo;
  const float *lse, *delta;  // [rows, heads]
  const int32_t* position;   // [rows] path position
  T *dq, *dk, *dv;
};

}  // namespace
}  // namespace swirl

#define SWIRL_WITH_PAIRS
#define SWIRL_BODY "native/cpu/attention_backward.inl"
#include "native/cpu/each_isa.h"

namespace swirl {
namespace {

// Segments cut into tiles of at most `rows` rows, as even as whole sixteens allow, each of one segment.
int64_t cut_rows(const Attention& attention, int32_t rows, QueryTile* tiles) {
  int64_t count = 0;
  for (int32_t s = 0; s < attention.tree.segments; ++s) {
    const int32_t begin = attention.tree.query_begin[s], end = attention.tree.query_end[s];
    if (begin == end) continue;
    const int64_t pieces = ceil_div(end - begin, rows);
    const int32_t each = std::min(rows, static_cast<int32_t>(round_up(ceil_div(end - begin, pieces), 16)));
    for (int32_t row = begin; row < end; row += each)
      tiles[count++] = {s, s + 1, row, std::min(row + each, end), 0};
  }
  return count;
}

// dk and dv (`keys`) or dq of one tile, by the best variant for T.
template <class T>
void gradient_tile(const Attention& attention, const QueryTile& tile, bool keys, int32_t kv_head,
                   const Gradient<T>& g, void* scratch) {
#if defined(__x86_64__)
  if constexpr (std::is_same<T, bfloat16>::value) {
    if (isa() >= Isa::kAvx512Bf16) {
      if (keys) {
        avx512_bf16::key_gradient_tile(attention, tile, kv_head, g, scratch);
      } else {
        avx512_bf16::query_gradient_tile(attention, tile, kv_head, g, scratch);
      }
      return;
    }
  }
#endif
  if (keys) {
    SWIRL_DISPATCH(key_gradient_tile(attention, tile, kv_head, g, scratch));
  } else {
    SWIRL_DISPATCH(query_gradient_tile(attention, tile, kv_head, g, scratch));
  }
}

int64_t bound(const Attention& attention, int32_t rows) {
  int64_t out = 0;
  for (int32_t s = 0; s < attention.tree.segments; ++s) out += ceil_div(attention.rows_of(s), rows);
  return out;
}

}  // namespace

swirl_status attention_backward(swirl_device* device, const swirl_attention_shape* shape,
                                const swirl_tree* tree, int32_t rows, const void* q, int32_t ldq,
                                const void* k, int32_t ldk, const void* v, int32_t ldv, const void* out,
                                int32_t ldo, const float* lse, const void* dout, int32_t lddo, void* dq,
                                void* dk, void* dv, swirl_dtype dtype) {
  const swirl_status status = check_attention(device, "attention_backward", *shape);
  if (status != SWIRL_OK) return status;
  const Attention attention(*shape, *tree);
  const size_t query_list = static_cast<size_t>(bound(attention, attention.tile_rows)) * sizeof(QueryTile);
  const size_t key_list = static_cast<size_t>(bound(attention, kKeyBlock)) * sizeof(QueryTile);
  const size_t row_count = static_cast<size_t>(rows);
  const size_t shared = query_list + key_list + row_count * (static_cast<size_t>(shape->heads) + 1) * 4;
  const size_t bytes = plain::BackwardScratch::bytes(attention);
  if (!device->reserve_shared(shared) || !device->reserve(bytes))
    return out_of_scratch(device, "attention_backward", bytes);
  char* place = static_cast<char*>(device->shared());
  QueryTile* query_tiles = reinterpret_cast<QueryTile*>(place);
  QueryTile* key_tiles = reinterpret_cast<QueryTile*>(place + query_list);
  float* delta = reinterpret_cast<float*>(place + query_list + key_list);
  int32_t* position = reinterpret_cast<int32_t*>(delta + row_count * static_cast<size_t>(shape->heads));
  const int64_t query_count = cut_rows(attention, attention.tile_rows, query_tiles);
  const int64_t key_count = cut_rows(attention, kKeyBlock, key_tiles);
  for (int32_t s = 0; s < tree->segments; ++s)
    for (int32_t row = tree->query_begin[s]; row < tree->query_end[s]; ++row)
      position[row] = attention.start_of(s) + row - tree->query_begin[s];

  with_type(dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    const Gradient<T> g = {static_cast<const T*>(q),
                           static_cast<const T*>(k),
                           static_cast<const T*>(v),
                           static_cast<const T*>(dout),
                           ldq,
                           ldk,
                           ldv,
                           lddo,
                           lse,
                           delta,
                           position,
                           static_cast<T*>(dq),
                           static_cast<T*>(dk),
                           static_cast<T*>(dv)};
    parallel_for(device, rows, row_grain(static_cast<int64_t>(shape->heads) * shape->head_dim),
                 [&](int64_t begin, int64_t end) {
                   SWIRL_DISPATCH(delta_rows(begin, end, shape->heads, shape->head_dim,
                                             static_cast<const T*>(out), ldo, g.dout, lddo, delta));
                 });
    // One list of work for both passes. Early key tiles have the largest subtrees, late query tiles the
    // longest paths.
    const int64_t kv_heads = shape->kv_heads;
    parallel_for(device, (key_count + query_count) * kv_heads, 1, [&](int64_t i, int64_t) {
      const int64_t at = i / kv_heads;
      const bool keys = at < key_count;
      const QueryTile& tile = keys ? key_tiles[at] : query_tiles[query_count - 1 - (at - key_count)];
      gradient_tile(attention, tile, keys, static_cast<int32_t>(i % kv_heads), g,
                    device->scratch(thread_index()));
    });
  });
  return SWIRL_OK;
}

}  // namespace swirl
