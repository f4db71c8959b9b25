// dq: a tile of queries walks its keys as in the forward pass and computes  dq = scale · Σ p · (dp - delta) · k,
// with p = 2^(factor · score - log2 e · lse), dp = dout · v. Keys are in ascending order of position, so a row's
// gradient depends only on that row.
#ifndef SWIRL_CUDA_ATTENTION_QUERY_GRADIENT_CUH_
#define SWIRL_CUDA_ATTENTION_QUERY_GRADIENT_CUH_

#include "cuda/attention_walk.cuh"

namespace swirl::cuda {

// Inputs of both gradients in addition to the forward's.
template <class T>
struct Backward : Attention<T> {
  using Attention<T>::Attention;
  const T* dout = nullptr;
  int64_t lddo = 0;
  const float* lse = nullptr;    // [rows, heads]
  const float* delta = nullptr;  // [rows, heads]
  bool aligned_dout = false;
};

// dproduct, in place of dp, from a score and the query's lse (in powers of two) and delta; the score becomes p.
__device__ __forceinline__ void differentiate(const Scores& scores, float lse, float delta, float* score,
                                              float* dp) {
  *dp -= delta;
  if (scores.softcap > 0) *dp *= scores.slope(*score);
  *score = power_of_two(fmaf(*score, scores.factor, -lse));
  *dp *= *score;
}

// Without kRoom_ there are half the keys, and if that is not enough, fewer queries. In both cases a row's sum runs over
// keys in steps of 16 (float32: of one).
template <class T, int kHead, bool kRoom_>
struct QueryGradientTile {
  static constexpr bool kRoomy = kRoom_, kFloat = std::is_same_v<T, float>;
  static constexpr int kWidth = kHead;
  static constexpr int kWarps = kFloat         ? (kHead == kLargestHead     ? (kRoomy ? 2 : 1)
                                                  : kHead == 128 && !kRoomy ? 3
                                                                            : 4)
                                : kHead == 96  ? 8
                                : kHead == 128 ? (kRoomy ? 8 : 6)
                                               : (kHead == kLargestHead && !kRoomy ? 3 : 4);
  static constexpr int kThreads = kWarps * kWarp;
  static constexpr int kM = !kFloat && kHead <= 64 ? 2 : 1;  // 16-row tiles per warp
  static constexpr int kKeys = (kFloat         ? (kHead <= 64    ? 64
                                                  : kHead <= 128 ? 32
                                                                 : 16)
                                : kHead <= 128 ? 64
                                               : 32) /
                               (kRoomy ? 1 : 2);
  static constexpr int kQueries = 16 * kM * kWarps;
  static constexpr int kN = kKeys / 8;
  static constexpr int kBlocks = kHead <= 64 ? 2 : 1;  // blocks per multiprocessor that the registers allow

  // Shared memory.
  Queries<kQueries> queries;
  float lse[kQueries], delta[kQueries];
  alignas(16) T q[kQueries * kRowStride<T, kHead>];
  T dout[kQueries * kRowStride<T, kHead>];
  KeyTiles<T, kHead, kKeys> tiles;
  alignas(16) unsigned char staging[kWarps][Weights<T, kM, kN>::kStagingBytes + 16];
};

template <class T>
struct QueryGradient {
  T* dq;
  int64_t ld;
  int tile_rows;
  bool paired;
};

template <class T, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    query_gradient(Backward<T> at, QueryGradient<T> to) {
  if constexpr (kNeverRuns<Tile>) return;
  constexpr int kM = Tile::kM, kN = Tile::kN, kKeys = Tile::kKeys, kHead = Tile::kWidth;
  Tile& tile = *reinterpret_cast<Tile*>(dynamic_shared());
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int first_query = warp * kM * 16, kv_head = static_cast<int>(blockIdx.y);
  // The last tiles have the longest paths, so they are started first.
  const int row_begin = static_cast<int>(gridDim.x - 1 - blockIdx.x) * to.tile_rows;
  const int row_end = row_begin + to.tile_rows < at.tree.rows ? row_begin + to.tile_rows : at.tree.rows;
  describe_rows(at.tree, at.window, kKeys, row_begin, row_end, &tile.queries.rows);
  const int items = count_items(tile.queries.rows);
  if (items == 0) return;
  const int used = tile.queries.describe(at, row_begin, row_end, kv_head);
  for (int i = static_cast<int>(threadIdx.x); i < Tile::kQueries; i += Tile::kThreads) {
    const int64_t entry =
        static_cast<int64_t>(row_begin + i / at.group) * at.heads + kv_head * at.group + i % at.group;
    tile.lse[i] = i < used ? at.lse[entry] * kLog2E : 0.0f;
    tile.delta[i] = i < used ? at.delta[entry] : 0.0f;
  }
  const auto load = [&](T* tile_rows, const T* from, int64_t ld, bool aligned) {
    load_tile<kHead>(tile_rows, Tile::kQueries, at.head_dim, aligned, from, [&](int i) -> const T* {
      if (i >= used) return nullptr;
      return from + (row_begin + i / at.group) * ld +
             static_cast<int64_t>(kv_head * at.group + i % at.group) * at.head_dim;
    });
  };
  load(tile.q, at.q, at.ldq, at.aligned_q);
  load(tile.dout, at.dout, at.lddo, at.aligned_dout);

  float sum[kHead / 16][kM][2][4];
#pragma unroll
  for (int d = 0; d < kHead / 16; ++d) clear(sum[d]);
  walk_items(at, kv_head, tile.queries.rows, 0, items, tile.tiles,
             [&](Item item, int sharers, const T* keys, const T* values) {
               const Sight sees = sight<kKeys, kM>(tile.queries, first_query, at.window, item, sharers);
               if (!sees.some) return;
               float score[kM][kN][4], dp[kM][kN][4];
               clear(score);
               clear(dp);
               multiply_transposed<kHead>(score, tile.q + first_query * kRowStride<T, kHead>, keys);
               multiply_transposed<kHead>(dp, tile.dout + first_query * kRowStride<T, kHead>, values);
               at.scores.apply(score);
#pragma unroll
               for (int m = 0; m < kM; ++m)
#pragma unroll
                 for (int half = 0; half < 2; ++half) {
                   const int query = first_query + m * 16 + half * 8 + lane / 4;
                   const float lse = tile.lse[query], delta = tile.delta[query];
#pragma unroll
                   for (int n = 0; n < kN; ++n)
#pragma unroll
                     for (int i = 2 * half; i < 2 * half + 2; ++i)
                       differentiate(at.scores, lse, delta, &score[m][n][i], &dp[m][n][i]);
                 }
               if (!sees.all) hide<kKeys>(tile.queries, first_query, at.window, item, sharers, 0.0f, dp);
               const Weights<T, kM, kN> weights(dp, reinterpret_cast<float*>(tile.staging[warp]));
#pragma unroll
               for (int d = 0; d < kHead / 16; ++d) multiply_weights<kHead>(sum[d], weights, keys, d * 16);
             });

#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int i = first_query + m * 16 + half * 8 + lane / 4;
      if (tile.queries.owner[i] < 0) continue;
      const int entry = tile.queries.entry[i];
      T* row = to.dq + entry / at.heads * to.ld + static_cast<int64_t>(entry % at.heads) * at.head_dim;
#pragma unroll
      for (int d = 0; d < kHead / 16; ++d)
#pragma unroll
        for (int n = 0; n < 2; ++n)
          store_pair(row, d * 16 + n * 8 + lane % 4 * 2, at.head_dim, to.paired,
                     sum[d][m][n][2 * half] * at.scores.scale, sum[d][m][n][2 * half + 1] * at.scores.scale);
    }
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_ATTENTION_QUERY_GRADIENT_CUH_
