// The walk of a tile of queries over its keys, shared by the forward pass and the gradient of the queries.
#ifndef SWIRL_CUDA_ATTENTION_WALK_CUH_
#define SWIRL_CUDA_ATTENTION_WALK_CUH_

#include "cuda/attention.cuh"
#include "cuda/attention_path.cuh"

namespace swirl::cuda {

// The tile's queries: rows [row_begin, row_end) with the query heads of one key head, the heads of a row next to
// each other. In shared memory.
template <int kQueries>
struct Queries {
  TileRows<kQueries> rows;
  int owner[kQueries], position[kQueries];  // of the query's row; -1 past the last query
  int entry[kQueries];                      // row · heads + head

  // The whole block calls it; a barrier must follow. Returns the number of queries.
  template <class T>
  __device__ int describe(const Attention<T>& at, int row_begin, int row_end, int kv_head) {
    const int used = (row_end - row_begin) * at.group;
    for (int i = static_cast<int>(threadIdx.x); i < kQueries; i += static_cast<int>(blockDim.x)) {
      const int row = i / at.group;
      owner[i] = i < used ? rows.owner[row] : -1;
      position[i] = i < used ? rows.position[row] : -1;
      entry[i] = (row_begin + row) * at.heads + kv_head * at.group + i % at.group;
    }
    return used;
  }
};

// Query i sees the keys low … high of an item; none when high < low.
template <int kKeys, int kQueries>
__device__ __forceinline__ void visible_keys(const Queries<kQueries>& queries, int i, int window, Item item,
                                             int sharers, int* low, int* high) {
  const int owner = queries.owner[i], position = queries.position[i], first = item.block * kKeys;
  const int from = first_visible(position, window) - first, to = position - first;
  *low = from > 0 ? from : 0;
  *high = owner < item.segment || owner >= sharers ? -1 : to < kKeys ? to : kKeys - 1;
}

// Whether any of the warp's queries sees any key of an item, and whether all see all.
struct Sight {
  bool some, all;
};
template <int kKeys, int kM, int kQueries>
__device__ __forceinline__ Sight sight(const Queries<kQueries>& queries, int first_query, int window,
                                       Item item, int sharers) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  bool some = false, all = true;
#pragma unroll
  for (int i = lane; i < 16 * kM; i += kWarp) {
    int low, high;
    visible_keys<kKeys>(queries, first_query + i, window, item, sharers, &low, &high);
    some = some || low <= high;
    all = all && low == 0 && high == kKeys - 1;
  }
  return {__any_sync(kAllLanes, some) != 0, __all_sync(kAllLanes, all) != 0};
}

// Sets the elements of x that a query does not see to `nothing`.
template <int kKeys, int kM, int kN, int kQueries>
__device__ __forceinline__ void hide(const Queries<kQueries>& queries, int first_query, int window, Item item,
                                     int sharers, float nothing, float (&x)[kM][kN][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int low, high;
      visible_keys<kKeys>(queries, first_query + m * 16 + half * 8 + lane / 4, window, item, sharers, &low,
                          &high);
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int key = n * 8 + lane % 4 * 2 + i;
          if (key < low || key > high) x[m][n][2 * half + i] = nothing;
        }
    }
}

// Keys and values of an even and an odd item, and data of the next items. In shared memory, because the sums
// take the registers during the walk.
template <class T, int kHead, int kKeys>
struct KeyTiles {
  static constexpr int kSize = kKeys * kRowStride<T, kHead>;
  alignas(16) T keys[2][kSize];
  T values[2][kSize];
  int slots[2][kKeys];
  Item items[4];
  int sharers[4];  // one past the last segment that shares the item
  PathWalk walk;

  // Item number n of the walk; warp 0 calls.
  template <int kRows>
  __device__ __forceinline__ void prepare(const Attention<T>& at, const TileRows<kRows>& rows, int n,
                                          Item item) {
    const int end = sharers_end(rows, item);
    PathWalk copy = walk;
    copy.resolve<kKeys>(at.tree, rows, item, slots[n % 2]);
    __syncwarp();
    if (threadIdx.x == 0) {
      items[n % 4] = item;
      sharers[n % 4] = end;
      walk = copy;
    }
    __syncwarp();
  }

  __device__ __forceinline__ void load(const Attention<T>& at, int kv_head, int odd) {
    const int64_t head = static_cast<int64_t>(kv_head) * at.head_dim;
    const int* slot = slots[odd];
    load_tile<kHead>(keys[odd], kKeys, at.head_dim, at.aligned_k, at.k, [&](int i) -> const T* {
      return slot[i] < 0 ? nullptr : at.k + slot[i] * at.ldk + head;
    });
    load_tile<kHead>(values[odd], kKeys, at.head_dim, at.aligned_v, at.v, [&](int i) -> const T* {
      return slot[i] < 0 ? nullptr : at.v + slot[i] * at.ldv + head;
    });
    copy_async_commit();
  }
};

// Calls body(item, one past the last segment that shares it, keys, values) for items [begin, end) of the tile,
// at least one. An item's keys are copied while the previous item is computed. Everything that the block
// wrote to shared memory or began to copy before the call is visible in body.
template <class T, int kHead, int kKeys, int kRows, class Body>
__device__ __forceinline__ void walk_items(const Attention<T>& at, int kv_head, const TileRows<kRows>& rows,
                                           int begin, int end, KeyTiles<T, kHead, kKeys>& tiles,
                                           const Body& body) {
  const bool prepares = static_cast<int>(threadIdx.x) < kWarp;
  if (threadIdx.x == 0) tiles.walk = PathWalk();
  if (prepares) {
    __syncwarp();
    Item item = item_at(rows, begin);
    tiles.prepare(at, rows, 0, item);
    if (end - begin > 1) {
      advance(rows, &item);
      tiles.prepare(at, rows, 1, item);
    }
  }
  __syncthreads();
  tiles.load(at, kv_head, 0);
  for (int n = 0; n < end - begin; ++n) {
    copy_async_wait<0>();
    __syncthreads();  // item n is loaded, the memory of n - 1 is free, the slots of n + 1 are known
    if (n + 1 < end - begin) tiles.load(at, kv_head, (n + 1) % 2);
    if (prepares && n + 2 < end - begin) {
      Item item = tiles.items[(n + 1) % 4];
      advance(rows, &item);
      tiles.prepare(at, rows, n + 2, item);
    }
    body(tiles.items[n % 4], tiles.sharers[n % 4], tiles.keys[n % 2], tiles.values[n % 2]);
  }
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_ATTENTION_WALK_CUH_
