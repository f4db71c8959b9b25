#include <cmath>
#include <cstring>
#include <type_traits>

#include "native/cpu/attention.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

#define SWIRL_WITH_PAIRS
#define SWIRL_BODY "native/cpu/attention_forward.inl"
#include "native/cpu/each_isa.h"

namespace swirl {

swirl_status check_attention(swirl_device* device, const char* op, const swirl_attention_shape& shape) {
  if (shape.heads <= 0 || shape.kv_heads <= 0 || shape.heads % shape.kv_heads != 0 || shape.head_dim <= 0 ||
      shape.window < 0)
    return fail(
        device, SWIRL_INVALID,
        "%s: heads %d must be a multiple of kv_heads %d, head_dim %d positive, window %d not negative", op,
        shape.heads, shape.kv_heads, shape.head_dim, shape.window);
  return SWIRL_OK;
}

swirl_status attention_forward(swirl_device* device, const swirl_attention_shape* shape,
                               const swirl_tree* tree, const void* q, int32_t ldq, const void* k, int32_t ldk,
                               const void* v, int32_t ldv, void* out, int32_t ldo, float* lse,
                               swirl_dtype dtype) {
  const swirl_status status = check_attention(device, "attention_forward", *shape);
  if (status != SWIRL_OK) return status;
  const Attention attention(*shape, *tree);
  const size_t list = static_cast<size_t>(attention.tile_bound()) * sizeof(QueryTile);
  const size_t bytes = plain::ForwardScratch::bytes(attention);
  if (!device->reserve_shared(list) || !device->reserve(bytes))
    return out_of_scratch(device, "attention_forward", bytes);
  QueryTile* tiles = static_cast<QueryTile*>(device->shared());
  const int64_t count = attention.cut(tiles);
  // The last tiles have the longest paths, so they are started first.
  const auto tile_of = [&](int64_t i) -> const QueryTile& { return tiles[count - 1 - i / shape->kv_heads]; };
  const auto run = [&](const auto& body) { parallel_for(device, count * shape->kv_heads, 1, body); };
#if defined(__x86_64__) && !defined(SWIRL_PLAIN_ONLY)
  if (dtype == SWIRL_BFLOAT16 && isa() >= Isa::kAvx512Bf16) {
    using T = bfloat16;
    run([&](int64_t i, int64_t) {
      avx512_bf16::forward_tile(attention, tile_of(i), static_cast<int32_t>(i % shape->kv_heads),
                                static_cast<const T*>(q), ldq, static_cast<const T*>(k), ldk,
                                static_cast<const T*>(v), ldv, static_cast<T*>(out), ldo, lse,
                                device->scratch(thread_index()));
    });
    return SWIRL_OK;
  }
#endif
  with_type(dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    run([&](int64_t i, int64_t) {
      SWIRL_DISPATCH(forward_tile(attention, tile_of(i), static_cast<int32_t>(i % shape->kv_heads),
                                  static_cast<const T*>(q), ldq, static_cast<const T*>(k), ldk,
                                  static_cast<const T*>(v), ldv, static_cast<T*>(out), ldo, lse,
                                  device->scratch(thread_index())));
    });
  });
  return SWIRL_OK;
}

}  // namespace swirl
