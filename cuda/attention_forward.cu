// Tree attention forward, for training and for decoding: one kernel, so that a row's bits are the same in both.
//
// A block of four warps (fewer where shared memory is short) takes a tile of rows, with all query heads of one key head
// packed next to them (a row of a group of 7 fills 7 rows of the matrix tile), and walks key blocks aligned to path
// position (attention_path.cuh). Keys and values come through cp.async, the next block's while this one is computed.
//
// The order of a row's sums. Each block of keys gives, by itself: its largest score m, the sum l of 2^(score - m),
// and the weighted values P·V from zero. These join the row's totals in ascending order of blocks:
//   M' = max(M, m),  L = L · 2^(M - M') + l · 2^(m - M'),  O = O · 2^(M - M') + PV · 2^(m - M').
// So blocks may be computed anywhere: where a call has few tiles (a decode step), a tile's items are split among
// many blocks of threads, each writes (m, l, PV) to scratch, and `join_blocks` computes the same sums in the same
// order. Cost: one more multiply per output element and block than FlashAttention-2's rescaling in place (2
// instead of 1, compared with 4 · 64 operations of the tensor cores: under 4 % of issue slots), and when split
// 8 · group · head_dim bytes of scratch traffic per row and block, compared with 256 · head_dim bytes of keys and
// values: 22 % at group 7, most of it inside L2. Chunks of several blocks would write less but need a second set
// of sums in registers in every training call.
//
// Decoding reads a shared prefix once per tile, not once per row: rows of one step whose paths share a block are
// computed together (up to 128 / group rows). Prefixes shared between tiles are re-read from L2.
#include "cuda/attention_walk.cuh"
#include "cuda/ops.h"

namespace swirl::cuda {
namespace {

constexpr int kJoinWarps = 4;
constexpr int kJoinThreads = kJoinWarps * kWarp;
constexpr size_t kMostPartialBytes = size_t{256} << 20;

// Without kRoom_ there are fewer queries but the same keys: the blocks of a row's sums, and so its bits, are the same.
template <class T, int kHead, bool kRoom_>
struct ForwardTile {
  static constexpr bool kRoomy = kRoom_, kFloat = std::is_same_v<T, float>;
  static constexpr int kM =
      !kFloat && (kHead < 128 || (kHead == 128 && kRoomy)) ? 2 : 1;  // 16-row tiles per warp
  static constexpr int kWarps = kRoomy                  ? 4
                                : kFloat                ? (kHead == kLargestHead ? 1 : 2)
                                : kHead == kLargestHead ? 3
                                                        : 4;
  static constexpr int kThreads = kWarps * kWarp;
  static constexpr int kKeys = kFloat ? (kHead <= 64 ? 64 : kHead <= 128 ? 32 : 16) : kHead <= 128 ? 64 : 32;
  static constexpr int kQueries = 16 * kM * kWarps;
  static constexpr int kN = kKeys / 8, kWidth = kHead;
  static constexpr int kBlocks =
      kFloat && kHead == kLargestHead ? 1 : 2;  // blocks per multiprocessor that the registers allow
  // Shared memory.
  Queries<kQueries> queries;
  alignas(16) T q[kQueries * kRowStride<T, kHead>];
  KeyTiles<T, kHead, kKeys> tiles;
  alignas(16) unsigned char staging[kWarps][Weights<T, kM, kN>::kStagingBytes + 16];
};

template <class T>
struct Forward : Attention<T> {
  using Attention<T>::Attention;
  T* out = nullptr;
  int64_t ldo = 0;
  float* lse = nullptr;
  int tile_rows = 0;
  bool paired_out = false;
  // When split. [rows, heads, blocks] of m, l and of PV [kHead].
  float2* largest = nullptr;
  float* sums = nullptr;
  int blocks = 0;
};

// Running totals of a row: M and L of the header.
struct Softmax {
  float largest = -INFINITY, total = 0;

  // Adds a block's m and l; returns the factors of O and PV.
  __device__ __forceinline__ float2 join(float block_largest, float block_total) {
    const float now = fmaxf(largest, block_largest);
    const float base = now == -INFINITY ? 0.0f : now;
    const float keep = power_of_two(largest - base), add = power_of_two(block_largest - base);
    total = fmaf(block_total, add, product(total, keep));
    largest = now;
    return make_float2(keep, add);
  }
  __device__ __forceinline__ float lse() const { return product(largest + log2f(total), kLn2); }
};

__device__ __forceinline__ float joined(float sum, float block_sum, float2 factors) {
  return fmaf(block_sum, factors.y, product(sum, factors.x));
}
// + 0: gives zero one sign, whatever zeros were added to it.
__device__ __forceinline__ float finished(float sum, float inverse) { return fmaf(sum, inverse, 0.0f); }

// Row's largest score and its sum of 2^(factor · score - largest), which the scores become.
template <int kM, int kN>
__device__ __forceinline__ void weigh(float factor, float (&score)[kM][kN][4], float (&largest)[kM][2],
                                      float (&total)[kM][2]) {
#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = -INFINITY;
#pragma unroll
      for (int n = 0; n < kN; ++n) top = fmaxf(top, fmaxf(score[m][n][2 * half], score[m][n][2 * half + 1]));
      top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 1));
      top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 2));
      top = product(top, factor);
      const float base = top == -INFINITY ? 0.0f : top;
      float added = 0;
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          score[m][n][i] = power_of_two(fmaf(score[m][n][i], factor, -base));
          added += score[m][n][i];
        }
      added += __shfl_xor_sync(kAllLanes, added, 1);
      added += __shfl_xor_sync(kAllLanes, added, 2);
      largest[m][half] = top;
      total[m][half] = added;
    }
}

// The weights of an item's keys for the warp's queries; false when none of them sees any.
template <class T, int kM, int kN, class Tile>
__device__ __forceinline__ bool weigh_item(const Forward<T>& at, const Tile& tile, int first_query, Item item,
                                           int sharers, const T* keys, float (&score)[kM][kN][4],
                                           float (&largest)[kM][2], float (&total)[kM][2]) {
  constexpr int kKeys = Tile::kKeys;
  const Sight sees = sight<kKeys, kM>(tile.queries, first_query, at.window, item, sharers);
  if (!sees.some) return false;
  clear(score);
  multiply_transposed<Tile::kWidth>(score, tile.q + first_query * kRowStride<T, Tile::kWidth>, keys);
  at.scores.apply(score);
  if (!sees.all) hide<kKeys>(tile.queries, first_query, at.window, item, sharers, -INFINITY, score);
  weigh(at.scores.factor, score, largest, total);
  return true;
}

// Joins a block's m, l and PV to the totals. (Columns past head_dim are skipped, which also keeps the compiler
// from having more of PV in registers at a time than it has room for.)
template <class T, int kM, int kN, int kParts>
__device__ __forceinline__ void take_part(const Forward<T>& at, const Weights<T, kM, kN>& weights,
                                          const T* values, const float (&largest)[kM][2],
                                          const float (&total)[kM][2], Softmax (&softmax)[kM][2],
                                          float (&sum)[kParts][kM][2][4]) {
  float2 factors[kM][2];
#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half)
      factors[m][half] = softmax[m][half].join(largest[m][half], total[m][half]);
#pragma unroll
  for (int d = 0; d < kParts; ++d) {
    if (d * 16 >= at.head_dim) break;
    float part[kM][2][4];
    clear(part);
    multiply_weights<16 * kParts>(part, weights, values, d * 16);
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int n = 0; n < 2; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          sum[d][m][n][i] = joined(sum[d][m][n][i], part[m][n][i], factors[m][i / 2]);
  }
}

// Writes a block's m, l and PV to scratch, for the queries that see one of its keys: their largest score alone adds
// 1 to l.
template <class T, int kHead, int kM, int kN, class Tile>
__device__ __forceinline__ void leave_part(const Forward<T>& at, const Tile& tile, int first_query, int block,
                                           const Weights<T, kM, kN>& weights, const T* values,
                                           const float (&largest)[kM][2], const float (&total)[kM][2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const auto place = [&](int m, int half) {
    return static_cast<int64_t>(tile.queries.entry[first_query + m * 16 + half * 8 + lane / 4]) * at.blocks +
           block;
  };
#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half)
      if (total[m][half] != 0 && lane % 4 == 0)
        at.largest[place(m, half)] = make_float2(largest[m][half], total[m][half]);
#pragma unroll
  for (int d = 0; d < kHead / 16; ++d) {
    if (d * 16 >= at.head_dim) break;
    float part[kM][2][4];
    clear(part);
    multiply_weights<kHead>(part, weights, values, d * 16);
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        if (total[m][half] == 0) continue;
        float* to = at.sums + place(m, half) * kHead + d * 16 + lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < 2; ++n)
          *reinterpret_cast<float2*>(to + n * 8) =
              make_float2(part[m][n][2 * half], part[m][n][2 * half + 1]);
      }
  }
}

template <class T, int kHead, int kM, class Tile>
__device__ __forceinline__ void store_rows(const Forward<T>& at, const Tile& tile, int first_query,
                                           const Softmax (&softmax)[kM][2],
                                           const float (&sum)[kHead / 16][kM][2][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int i = first_query + m * 16 + half * 8 + lane / 4;
      if (tile.queries.owner[i] < 0) continue;
      const int entry = tile.queries.entry[i];
      if (lane % 4 == 0) at.lse[entry] = softmax[m][half].lse();
      const float inverse = 1.0f / softmax[m][half].total;
      T* to = at.out + entry / at.heads * at.ldo + static_cast<int64_t>(entry % at.heads) * at.head_dim;
#pragma unroll
      for (int d = 0; d < kHead / 16; ++d)
#pragma unroll
        for (int n = 0; n < 2; ++n)
          store_pair(to, d * 16 + n * 8 + lane % 4 * 2, at.head_dim, at.paired_out,
                     finished(sum[d][m][n][2 * half], inverse),
                     finished(sum[d][m][n][2 * half + 1], inverse));
    }
}

// kSplit: the tile's items are divided among gridDim.z blocks of threads.
template <class T, class Tile, bool kSplit>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) forward(Forward<T> at) {
  if constexpr (kNeverRuns<Tile>) return;
  constexpr int kM = Tile::kM, kN = Tile::kN, kKeys = Tile::kKeys, kHead = Tile::kWidth;
  Tile& tile = *reinterpret_cast<Tile*>(dynamic_shared());
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int first_query = warp * kM * 16, kv_head = static_cast<int>(blockIdx.y);
  // The last tiles have the longest paths, so they are started first.
  const int row_begin = static_cast<int>(gridDim.x - 1 - blockIdx.x) * at.tile_rows;
  const int row_end = row_begin + at.tile_rows < at.tree.rows ? row_begin + at.tile_rows : at.tree.rows;
  describe_rows(at.tree, at.window, kKeys, row_begin, row_end, &tile.queries.rows);

  const int64_t items = count_items(tile.queries.rows);
  const int begin = static_cast<int>(items * blockIdx.z / gridDim.z);
  const int end = static_cast<int>(items * (blockIdx.z + 1) / gridDim.z);
  if (begin == end) return;
  const int used = tile.queries.describe(at, row_begin, row_end, kv_head);
  load_tile<kHead>(tile.q, Tile::kQueries, at.head_dim, at.aligned_q, at.q, [&](int i) -> const T* {
    if (i >= used) return nullptr;
    return at.q + (row_begin + i / at.group) * at.ldq +
           static_cast<int64_t>(kv_head * at.group + i % at.group) * at.head_dim;
  });

  if constexpr (kSplit) {
    walk_items(at, kv_head, tile.queries.rows, begin, end, tile.tiles,
               [&](Item item, int sharers, const T* keys, const T* values) {
                 float score[kM][kN][4], largest[kM][2], total[kM][2];
                 if (!weigh_item(at, tile, first_query, item, sharers, keys, score, largest, total)) return;
                 const Weights<T, kM, kN> weights(score, reinterpret_cast<float*>(tile.staging[warp]));
                 leave_part<T, kHead>(at, tile, first_query, item.block, weights, values, largest, total);
               });
  } else {
    Softmax softmax[kM][2];
    float sum[kHead / 16][kM][2][4];
#pragma unroll
    for (int d = 0; d < kHead / 16; ++d) clear(sum[d]);
    walk_items(at, kv_head, tile.queries.rows, begin, end, tile.tiles,
               [&](Item item, int sharers, const T* keys, const T* values) {
                 float score[kM][kN][4], largest[kM][2], total[kM][2];
                 if (!weigh_item(at, tile, first_query, item, sharers, keys, score, largest, total)) return;
                 const Weights<T, kM, kN> weights(score, reinterpret_cast<float*>(tile.staging[warp]));
                 take_part(at, weights, values, largest, total, softmax, sum);
               });
    store_rows<T, kHead>(at, tile, first_query, softmax, sum);
  }
}

// A warp per row and head: the blocks of a split call, in ascending order.
template <class T>
__global__ void __launch_bounds__(kJoinThreads) join_blocks(Forward<T> at, int block_keys, int width) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t entry = static_cast<int64_t>(blockIdx.x) * kJoinWarps + static_cast<int>(threadIdx.x) / kWarp;
  if (entry >= static_cast<int64_t>(at.tree.rows) * at.heads) return;
  const int row = static_cast<int>(entry / at.heads), head = static_cast<int>(entry % at.heads);
  const int segment = first_above(at.tree.query_end, at.tree.segments, row);
  if (segment == at.tree.segments || at.tree.query_begin[segment] > row) return;
  const int position = at.tree.path_length[segment] - (at.tree.query_end[segment] - row);

  constexpr int kSome = kLargestHead / kWarp;
  Softmax softmax;
  float sum[kSome];
#pragma unroll
  for (int d = 0; d < kSome; ++d) sum[d] = 0;
#pragma unroll 4
  for (int block = first_visible(position, at.window) / block_keys; block <= position / block_keys; ++block) {
    const float2 part = at.largest[entry * at.blocks + block];
    const float2 factors = softmax.join(part.x, part.y);
    const float* from = at.sums + (entry * at.blocks + block) * width;
#pragma unroll
    for (int d = 0; d < kSome; ++d)
      if (d * kWarp + lane < at.head_dim) sum[d] = joined(sum[d], from[d * kWarp + lane], factors);
  }
  if (lane == 0) at.lse[entry] = softmax.lse();
  const float inverse = 1.0f / softmax.total;
  T* to = at.out + row * at.ldo + static_cast<int64_t>(head) * at.head_dim;
#pragma unroll
  for (int d = 0; d < kSome; ++d)
    if (d * kWarp + lane < at.head_dim) to[d * kWarp + lane] = from_float<T>(finished(sum[d], inverse));
}

template <class T, class Tile>
swirl_status run(swirl_device* device, Forward<T> at, int kv_heads, int64_t longest_path) {
  constexpr int kHead = Tile::kWidth;
  constexpr const char* kOp = "attention_forward";
  at.tile_rows = Tile::kQueries / at.group;
  const int64_t tiles = ceil_div(at.tree.rows, at.tile_rows);
  const int64_t blocks = ceil_div(longest_path, Tile::kKeys);

  // Split when the tiles leave most of the GPU idle: into two blocks of threads per multiprocessor.
  int64_t splits = 1;
  const int64_t wanted = 2 * static_cast<int64_t>(device->multiprocessors), there = tiles * kv_heads;
  if (there * 2 <= wanted && blocks > 1) {
    const int64_t entries = static_cast<int64_t>(at.tree.rows) * at.heads * blocks;
    const size_t sums = static_cast<size_t>(entries) * kHead * sizeof(float);
    const size_t largest = static_cast<size_t>(entries) * sizeof(float2);
    if (sums + largest <= kMostPartialBytes) {
      splits = ceil_div(wanted, there);
      const int64_t most_items = blocks * at.tile_rows;
      if (splits > most_items) splits = most_items;
      void* scratch = reserve(device, sums + largest);
      if (scratch == nullptr) return SWIRL_OUT_OF_MEMORY;
      at.sums = static_cast<float*>(scratch);
      at.largest = reinterpret_cast<float2*>(static_cast<unsigned char*>(scratch) + sums);
      at.blocks = static_cast<int>(blocks);
    }
  }
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(kv_heads),
                  static_cast<unsigned>(splits));
  swirl_status status =
      launch(device, kOp, at.sums == nullptr ? forward<T, Tile, false> : forward<T, Tile, true>, grid,
             dim3(Tile::kThreads), sizeof(Tile), at);
  if (status != SWIRL_OK || at.sums == nullptr) return status;
  const int64_t entries = static_cast<int64_t>(at.tree.rows) * at.heads;
  return launch(device, kOp, join_blocks<T>, dim3(static_cast<unsigned>(ceil_div(entries, kJoinWarps))),
                dim3(kJoinThreads), 0, at, Tile::kKeys, kHead);
}

}  // namespace

swirl_status check_attention(swirl_device* device, const char* op, const swirl_attention_shape& shape) {
  if (shape.heads <= 0 || shape.kv_heads <= 0 || shape.heads % shape.kv_heads != 0 || shape.head_dim <= 0 ||
      shape.window < 0)
    return fail(
        device, SWIRL_INVALID,
        "%s: heads %d must be a multiple of kv_heads %d, head_dim %d positive, window %d not negative", op,
        shape.heads, shape.kv_heads, shape.head_dim, shape.window);
  if (!(shape.scale > 0))
    return fail(device, SWIRL_INVALID, "%s: scale %g must be positive", op, static_cast<double>(shape.scale));
  if (shape.head_dim > kLargestHead)
    return fail(device, SWIRL_UNSUPPORTED, "%s: head_dim %d; the CUDA kernels reach %d. Use device \"cpu\".",
                op, shape.head_dim, kLargestHead);
  return SWIRL_OK;
}

swirl_status check_tile(swirl_device* device, const char* op, const swirl_attention_shape& shape,
                        int queries) {
  const int group = shape.heads / shape.kv_heads;
  if (group > queries)
    return fail(device, SWIRL_UNSUPPORTED,
                "%s: %d query heads share a key head; the CUDA kernels reach %d at head_dim %d. Use device "
                "\"cpu\".",
                op, group, queries, shape.head_dim);
  return SWIRL_OK;
}

swirl_status attention_forward(swirl_device* device, const swirl_attention_shape* shape,
                               const swirl_tree* tree, const void* q, int32_t ldq, const void* k, int32_t ldk,
                               const void* v, int32_t ldv, void* out, int32_t ldo, float* lse,
                               swirl_dtype dtype) {
  swirl_status status = check_attention(device, "attention_forward", *shape);
  if (status != SWIRL_OK || tree->rows == 0) return status;
  return with_type(dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    Forward<T> at(*shape, *tree, q, ldq, k, ldk, v, ldv);
    at.out = static_cast<T*>(out), at.ldo = ldo;
    at.lse = lse;
    at.paired_out = pairs<T>(out, ldo, shape->head_dim);
    return with_head<T>(shape->head_dim, [&](auto head) {
      return with_tile<ForwardTile, T, decltype(head)::value>(device, [&](auto* tile) {
        using Tile = std::remove_pointer_t<decltype(tile)>;
        const swirl_status fits = check_tile(device, "attention_forward", *shape, Tile::kQueries);
        return fits != SWIRL_OK ? fits : run<T, Tile>(device, at, shape->kv_heads, tree->longest_path);
      });
    });
  });
}

}  // namespace swirl::cuda
