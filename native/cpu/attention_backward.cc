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
  T* dq;
  float *dk, *dv;  // [slots, kv_heads · head_dim], accumulate
};

// Up to kKeyBlock keys of one run.
struct KeyTile {
  int32_t begin, end;              // slots
  int32_t position;                // path position of the first
  int32_t query_begin, query_end;  // rows that may see them
};

}  // namespace
}  // namespace swirl

#define SWIRL_WITH_PAIRS
#define SWIRL_BODY "native/cpu/attention_backward.inl"
#include "native/cpu/each_isa.h"

namespace swirl {
namespace {

// Divides segments into tiles of at most tile_rows rows, as even as multiples of 16 allow; no tile spans two segments.
int64_t cut_queries(const Attention& attention, QueryTile* tiles) {
  const int32_t rows = attention.tile_rows;
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

// Divides key runs in the same way.
int64_t cut_keys(const swirl_tree& tree, KeyTile* tiles) {
  int64_t count = 0;
  for (int32_t run = 0; run < tree.key_runs; ++run) {
    const int32_t begin = tree.key_begin[run], end = tree.key_end[run];
    if (begin == end) continue;
    const int64_t pieces = ceil_div(end - begin, kKeyBlock);
    const int32_t each =
        std::min(kKeyBlock, static_cast<int32_t>(round_up(ceil_div(end - begin, pieces), 16)));
    int32_t query = tree.key_query_begin[run];
    for (int32_t slot = begin; slot < end; slot += each) {
      const int32_t position = tree.key_position[run] + slot - begin;
      while (query < tree.key_query_end[run] && tree.position[query] < position) ++query;
      tiles[count++] = {slot, std::min(slot + each, end), position, query, tree.key_query_end[run]};
    }
  }
  return count;
}

template <class T>
void key_gradient(const Attention& attention, const KeyTile& tile, int32_t kv_head, const Gradient<T>& g,
                  void* scratch) {
#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
  if constexpr (std::is_same<T, bfloat16>::value) {
    if (isa() >= Isa::kAvx512Bf16)
      return avx512_bf16::key_gradient_tile(attention, tile, kv_head, g, scratch);
  }
#endif
  SWIRL_DISPATCH(key_gradient_tile(attention, tile, kv_head, g, scratch));
}

template <class T>
void query_gradient(const Attention& attention, const QueryTile& tile, int32_t kv_head, const Gradient<T>& g,
                    void* scratch) {
#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
  if constexpr (std::is_same<T, bfloat16>::value) {
    if (isa() >= Isa::kAvx512Bf16)
      return avx512_bf16::query_gradient_tile(attention, tile, kv_head, g, scratch);
  }
#endif
  SWIRL_DISPATCH(query_gradient_tile(attention, tile, kv_head, g, scratch));
}

// Upper bounds of the number of query tiles and key tiles.
int64_t query_bound(const Attention& attention) {
  int64_t out = 0;
  for (int32_t s = 0; s < attention.tree.segments; ++s)
    out += ceil_div(attention.rows_of(s), std::min(attention.tile_rows, 16));
  return out;
}
int64_t key_bound(const swirl_tree& tree) {
  int64_t out = 0;
  for (int32_t i = 0; i < tree.key_runs; ++i) out += ceil_div(tree.key_end[i] - tree.key_begin[i], 16);
  return out;
}

}  // namespace

swirl_status attention_backward(swirl_device* device, const swirl_attention_shape* shape,
                                const swirl_tree* tree, const void* q, int32_t ldq, const void* k,
                                int32_t ldk, const void* v, int32_t ldv, const void* out, int32_t ldo,
                                const float* lse, const void* dout, int32_t lddo, void* dq, float* dk,
                                float* dv, swirl_dtype dtype) {
  const swirl_status status = check_attention(device, "attention_backward", *shape);
  if (status != SWIRL_OK) return status;
  const Attention attention(*shape, *tree);
  const size_t query_list = static_cast<size_t>(query_bound(attention)) * sizeof(QueryTile);
  const size_t key_list = static_cast<size_t>(key_bound(*tree)) * sizeof(KeyTile);
  const size_t deltas = static_cast<size_t>(tree->rows) * static_cast<size_t>(shape->heads) * sizeof(float);
  const size_t bytes = plain::BackwardScratch::bytes(attention);
  if (!device->reserve_shared(query_list + key_list + deltas) || !device->reserve(bytes))
    return out_of_scratch(device, "attention_backward", bytes);
  char* place = static_cast<char*>(device->shared());
  QueryTile* query_tiles = reinterpret_cast<QueryTile*>(place);
  KeyTile* key_tiles = reinterpret_cast<KeyTile*>(place + query_list);
  float* delta = reinterpret_cast<float*>(place + query_list + key_list);
  const int64_t query_count = cut_queries(attention, query_tiles);
  const int64_t key_count = cut_keys(*tree, key_tiles);

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
                           static_cast<T*>(dq),
                           dk,
                           dv};
    parallel_for(device, tree->rows, row_grain(static_cast<int64_t>(shape->heads) * shape->head_dim),
                 [&](int64_t begin, int64_t end) {
                   SWIRL_DISPATCH(delta_rows(begin, end, shape->heads, shape->head_dim,
                                             static_cast<const T*>(out), ldo, g.dout, lddo, delta));
                 });
    // One work list for both passes, largest tiles first: early key tiles are seen by the most rows, late query tiles
    // have the longest paths.
    const int64_t kv_heads = shape->kv_heads;
    parallel_for(device, (key_count + query_count) * kv_heads, 1, [&](int64_t i, int64_t) {
      const int64_t at = i / kv_heads;
      const auto head = static_cast<int32_t>(i % kv_heads);
      void* scratch = device->scratch(thread_index());
      if (at < key_count) {
        key_gradient(attention, key_tiles[at], head, g, scratch);
      } else {
        query_gradient(attention, query_tiles[query_count - 1 - (at - key_count)], head, g, scratch);
      }
    });
  });
  return SWIRL_OK;
}

}  // namespace swirl
