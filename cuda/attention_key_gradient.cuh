// dk and dv: a block of threads holds a tile of keys and goes through the rows that may see them, in ascending
// order, all query heads of the key head next to each row:
//   dv = Σ p · dout,   dk = scale · Σ p · (dp - delta) · q.
// A row sees a key when 0 <= position[row] - key position (< window). The products are transposed: keys are the
// rows of the matrix tiles, so p and dp are in registers as the second product needs them.
#ifndef SWIRL_CUDA_ATTENTION_KEY_GRADIENT_CUH_
#define SWIRL_CUDA_ATTENTION_KEY_GRADIENT_CUH_

#include "cuda/attention_key_plan.cuh"
#include "cuda/attention_query_gradient.cuh"

namespace swirl::cuda {

// A task, computed from its index.
struct KeyTask {
  int number;
  int first_key, keys, position;  // of the tile: slots first_key …, how many, path position of the first
  int row_begin, row_end;
  int queries;  // (row_end - row_begin) · group
  int part;     // -1: adds to dk and dv itself
};
template <class T>
__device__ KeyTask key_task(const Attention<T>& at, const KeyPlan& plan, int tile_keys, int task) {
  const swirl_tree& tree = at.tree;
  KeyTask out;
  out.number = task;
  const int run = first_above(plan.task_begin + 1, tree.key_runs, task);
  const int chunk_rows = plan.chunk_rows[0];
  const RunTasks cut = tasks_of_run(tree, run, tile_keys, chunk_rows);
  // Neighboring tiles read the same rows at the same time, so they find them in L2.
  const int local = task - plan.task_begin[run], tile = local % cut.tiles, chunk = local / cut.tiles;
  out.first_key = tree.key_begin[run] + tile * tile_keys;
  out.keys = tree.key_end[run] - out.first_key < tile_keys ? tree.key_end[run] - out.first_key : tile_keys;
  out.position = tree.key_position[run] + tile * tile_keys;
  const int first = tree.key_query_begin[run], last = tree.key_query_end[run];
  out.row_begin = first + chunk * chunk_rows;
  out.row_end = last - out.row_begin < chunk_rows ? last : out.row_begin + chunk_rows;
  out.part = cut.chunks > 1 ? plan.part_begin[run] + tile * cut.chunks + chunk : -1;
  // Rows of the run's own segment have successive positions: those before the tile see none of it.
  const int segment = first_above(tree.query_end, tree.segments, first);
  if (segment < tree.segments && tree.query_begin[segment] <= first) {
    const int end = tree.query_end[segment] < last ? tree.query_end[segment] : last;
    int sees = first + (out.position > tree.position[first] ? out.position - tree.position[first] : 0);
    if (sees > end) sees = end;
    if (sees > out.row_begin) out.row_begin = sees < out.row_end ? sees : out.row_end;
  }
  out.queries = (out.row_end - out.row_begin) * at.group;
  return out;
}

// Without kRoom_ there are fewer keys, and half the queries per step.
template <class T, int kHead, bool kRoom_>
struct KeyGradientTile {
  static constexpr bool kRoomy = kRoom_, kFloat = std::is_same_v<T, float>, kLargest = kHead == kLargestHead;
  static constexpr int kWidth = kHead;
  static constexpr int kWarps = kFloat && kLargest ? (kRoomy ? 2 : 1) : kRoomy ? 4 : 3;
  static constexpr int kThreads = kWarps * kWarp;
  static constexpr int kM = !kFloat && kHead <= 64 ? 2 : 1;  // 16-key tiles per warp
  static constexpr int kKeys = 16 * kM * kWarps;
  static constexpr int kQueries = (kFloat         ? (kLargest ? 16 : 32)
                                   : kHead == 96  ? 64
                                   : kHead == 128 ? 48
                                                  : 32) /
                                  (kRoomy ? 1 : 2);
  static constexpr int kN = kQueries / 8;
  // At the largest head size the sums of dk and dv are too many for a thread's registers: two blocks of
  // threads, one for each (5 products instead of 4).
  static constexpr int kRoles = kLargest ? 2 : 1;
  static constexpr int kBlocks = kFloat && kLargest ? 1 : kLargest ? 1 : 2;  // minimum per multiprocessor
  static constexpr int kQuerySize = kQueries * kRowStride<T, kHead>;

  // Shared memory. Queries of an even and an odd step.
  KeyTask task;
  alignas(16) T keys[kKeys * kRowStride<T, kHead>];
  T values[kKeys * kRowStride<T, kHead>];
  T q[2][kQuerySize], dout[2][kQuerySize];
  float lse[2][kQueries], delta[2][kQueries];
  int position[2][kQueries];
  alignas(16) unsigned char staging[kWarps][Weights<T, kM, kN>::kStagingBytes + 16];
};

struct KeyGradient {
  KeyPlan plan;
  float *dk, *dv;  // [slots, ld]
  int64_t ld;
  // [parts, kv_heads, dk or dv, keys of a tile, kHead]
  float* parts;
  bool paired;
};

// One query of a step: data that a thread loads before a step and stores in shared memory after it.
struct QueryFacts {
  float lse, delta;
  int position;
};

// p and dproduct of the warp's keys and one step's queries; false when no query sees any of the keys. Without
// for_keys dproduct is not computed.
template <int kHead, class T, int kM, int kN, class Tile>
__device__ __forceinline__ bool differentiate_step(const Backward<T>& at, const Tile& tile, int first_key,
                                                   int odd, bool for_keys, float (&p)[kM][kN][4],
                                                   float (&dproduct)[kM][kN][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  // Keys of the warp are at positions lowest … highest; queries of this lane's columns at least … most.
  const int lowest = tile.task.position + first_key, there = tile.task.keys - first_key;
  const int highest = lowest + (there < 16 * kM ? there : 16 * kM) - 1;
  int least = 0x7fffffff, most = -1;
#pragma unroll
  for (int n = 0; n < kN; ++n)
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int position = tile.position[odd][n * 8 + lane % 4 * 2 + j];
      least = position < least ? position : least;
      most = position > most ? position : most;
    }
  const bool some = there > 0 && most >= lowest && (at.window == 0 || least - highest < at.window);
  if (!__any_sync(kAllLanes, some)) return false;
  const bool hides = !__all_sync(
      kAllLanes, there >= 16 * kM && least >= highest && (at.window == 0 || most - lowest < at.window));

  clear(p);
  multiply_transposed<kHead>(p, tile.keys + first_key * kRowStride<T, kHead>, tile.q[odd]);
  clear(dproduct);
  if (for_keys)
    multiply_transposed<kHead>(dproduct, tile.values + first_key * kRowStride<T, kHead>, tile.dout[odd]);
  at.scores.apply(p);
#pragma unroll
  for (int n = 0; n < kN; ++n)
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int query = n * 8 + lane % 4 * 2 + j;
      const float lse = tile.lse[odd][query], delta = tile.delta[odd][query];
#pragma unroll
      for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half)
          differentiate(at.scores, lse, delta, &p[m][n][2 * half + j], &dproduct[m][n][2 * half + j]);
    }
  if (!hides) return true;
#pragma unroll
  for (int n = 0; n < kN; ++n)
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int position = tile.position[odd][n * 8 + lane % 4 * 2 + j];
#pragma unroll
      for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int key = first_key + m * 16 + half * 8 + lane / 4;
          const int distance = position - tile.task.position - key;
          if (key >= tile.task.keys || distance < 0 || (at.window > 0 && distance >= at.window)) {
            p[m][n][2 * half + j] = 0;
            dproduct[m][n][2 * half + j] = 0;
          }
        }
    }
  return true;
}

template <class T, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    key_gradient(Backward<T> at, KeyGradient to) {
  if constexpr (kNeverRuns<Tile>) return;
  constexpr int kM = Tile::kM, kN = Tile::kN, kKeys = Tile::kKeys, kQueries = Tile::kQueries,
                kHead = Tile::kWidth;
  constexpr bool kBoth = Tile::kRoles == 1;
  Tile& tile = *reinterpret_cast<Tile*>(dynamic_shared());
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  const int kv_head = static_cast<int>(blockIdx.y);
  const bool for_keys = kBoth || blockIdx.z == 0;
  const int first_key = warp * kM * 16;  // of the warp, in the tile

  // The task's data stays in shared memory, because the sums need the registers.
  if (thread == 0) tile.task.number = static_cast<int>(blockIdx.x);
  for (;;) {
    __syncthreads();  // the previous task is done with the tile
    const int number = tile.task.number;
    if (number >= to.plan.task_begin[at.tree.key_runs]) return;
    __syncthreads();
    if (warp == 0) {
      const KeyTask found = key_task(at, to.plan, kKeys, number);
      if (lane == 0) tile.task = found;
    }
    __syncthreads();
    const KeyTask& task = tile.task;

    // Query i of the task: row_begin + i / group, head kv_head · group + i % group.
    const auto load_queries = [&](T* to_tile, const T* from, int64_t ld, bool aligned, int step) {
      load_tile<kHead>(to_tile, kQueries, at.head_dim, aligned, from, [&](int n) -> const T* {
        const int i = step * kQueries + n;
        if (i >= task.queries) return nullptr;
        return from + (task.row_begin + i / at.group) * ld +
               static_cast<int64_t>(kv_head * at.group + i % at.group) * at.head_dim;
      });
    };
    const auto load_step = [&](int step) {
      load_queries(tile.q[step % 2], at.q, at.ldq, at.aligned_q, step);
      load_queries(tile.dout[step % 2], at.dout, at.lddo, at.aligned_dout, step);
      copy_async_commit();
    };
    const auto fetch = [&](int step) -> QueryFacts {
      const int i = step * kQueries + thread;
      if (thread >= kQueries || i >= task.queries) return {0, 0, -1};
      const int row = task.row_begin + i / at.group;
      const int64_t entry = static_cast<int64_t>(row) * at.heads + kv_head * at.group + i % at.group;
      return {at.lse[entry] * kLog2E, at.delta[entry], at.tree.position[row]};
    };
    const auto keep = [&](int step, const QueryFacts& facts) {
      if (thread >= kQueries) return;
      tile.lse[step % 2][thread] = facts.lse;
      tile.delta[step % 2][thread] = facts.delta;
      tile.position[step % 2][thread] = facts.position;
    };

    if (task.queries > 0) {
      const auto load_keys = [&](T* to_tile, const T* from, int64_t ld, bool aligned) {
        load_tile<kHead>(to_tile, kKeys, at.head_dim, aligned, from, [&](int i) -> const T* {
          return i < task.keys ? from + (task.first_key + i) * ld + kv_head * at.head_dim : nullptr;
        });
      };
      load_keys(tile.keys, at.k, at.ldk, at.aligned_k);
      load_keys(tile.values, at.v, at.ldv, at.aligned_v);
      load_step(0);
      keep(0, fetch(0));
    }
    float sum_k[kHead / 16][kM][2][4];
    float sum_v[kBoth ? kHead / 16 : 1][kM][2][4];
#pragma unroll
    for (int d = 0; d < kHead / 16; ++d) {
      clear(sum_k[d]);
      if constexpr (kBoth) clear(sum_v[d]);
    }

    for (int step = 0; step * kQueries < task.queries; ++step) {
      const int odd = step % 2;
      copy_async_wait<0>();
      __syncthreads();  // this step is loaded, the other's memory is free
      QueryFacts next = {0, 0, -1};
      if ((step + 1) * kQueries < task.queries) {
        load_step(step + 1);
        next = fetch(step + 1);
      }

      float score[kM][kN][4], dp[kM][kN][4];
      if (differentiate_step<kHead>(at, tile, first_key, odd, for_keys, score, dp)) {
        float* staging = reinterpret_cast<float*>(tile.staging[warp]);
        if constexpr (kBoth) {
          const Weights<T, kM, kN> p(score, staging);
#pragma unroll
          for (int d = 0; d < kHead / 16; ++d) multiply_weights<kHead>(sum_v[d], p, tile.dout[odd], d * 16);
          const Weights<T, kM, kN> dproduct(dp, staging);
#pragma unroll
          for (int d = 0; d < kHead / 16; ++d)
            multiply_weights<kHead>(sum_k[d], dproduct, tile.q[odd], d * 16);
        } else {
#pragma unroll
          for (int m = 0; m < kM; ++m)
#pragma unroll
            for (int n = 0; n < kN; ++n)
#pragma unroll
              for (int i = 0; i < 4; ++i)
                if (!for_keys) dp[m][n][i] = score[m][n][i];
          const Weights<T, kM, kN> weights(dp, staging);
          const T* rows = for_keys ? tile.q[odd] : tile.dout[odd];
#pragma unroll
          for (int d = 0; d < kHead / 16; ++d) multiply_weights<kHead>(sum_k[d], weights, rows, d * 16);
        }
      }
      if ((step + 1) * kQueries < task.queries) keep(step + 1, next);
    }

    // Adds to dk and dv, or stores a part.
    const auto leave = [&](const float(&sum)[kHead / 16][kM][2][4], bool keys) {
      const float scale = keys ? at.scores.scale : 1.0f;
#pragma unroll
      for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int key = first_key + m * 16 + half * 8 + lane / 4;
          if (key >= task.keys) continue;
          float* row = (keys ? to.dk : to.dv) + (task.first_key + key) * to.ld + kv_head * at.head_dim;
          if (task.part >= 0)
            row = to.parts +
                  (((static_cast<int64_t>(task.part) * gridDim.y + kv_head) * 2 + (keys ? 0 : 1)) * kKeys +
                   key) *
                      kHead;
#pragma unroll
          for (int d = 0; d < kHead / 16; ++d)
#pragma unroll
            for (int n = 0; n < 2; ++n) {
              const int column = d * 16 + n * 8 + lane % 4 * 2;
              float first = sum[d][m][n][2 * half] * scale, second = sum[d][m][n][2 * half + 1] * scale;
              if (task.part < 0) {
                if (column < at.head_dim) first += row[column];
                if (column + 1 < at.head_dim) second += row[column + 1];
              }
              store_pair(row, column, at.head_dim, to.paired, first, second);
            }
        }
    };
    if constexpr (kBoth) {
      leave(sum_k, true);
      leave(sum_v, false);
    } else {
      leave(sum_k, for_keys);
    }
    __syncthreads();
    if (thread == 0) tile.task.number += static_cast<int>(gridDim.x);
  }
}

constexpr int kPartThreads = 128;

// dk and dv of tiles of several chunks += their parts. The blocks of threads of a tile's parts divide its elements
// evenly.
__global__ void __launch_bounds__(kPartThreads)
    add_parts(swirl_tree tree, KeyGradient to, int tile_keys, int width, int head_dim) {
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t kv_head = blockIdx.y, kv_heads = gridDim.y;
  const int parts = to.plan.part_begin[tree.key_runs];
  for (int number = static_cast<int>(blockIdx.x); number < parts; number += static_cast<int>(gridDim.x)) {
    const int run = first_above(to.plan.part_begin + 1, tree.key_runs, number);
    const RunTasks cut = tasks_of_run(tree, run, tile_keys, to.plan.chunk_rows[0]);
    const int local = number - to.plan.part_begin[run], tile = local / cut.chunks, share = local % cut.chunks;
    const int64_t first_part = to.plan.part_begin[run] + tile * cut.chunks;
    const int first_key = tree.key_begin[run] + tile * tile_keys;
    const int keys = tree.key_end[run] - first_key < tile_keys ? tree.key_end[run] - first_key : tile_keys;
    for (int i = share * kPartThreads + thread; i < 2 * keys * width; i += cut.chunks * kPartThreads) {
      const int which = i / (keys * width), key = i / width % keys, column = i % width;
      if (column >= head_dim) continue;
      const float* from =
          to.parts + (((first_part * kv_heads + kv_head) * 2 + which) * tile_keys + key) * width + column;
      float sum = 0;
#pragma unroll 4
      for (int chunk = 0; chunk < cut.chunks; ++chunk) sum += from[chunk * kv_heads * 2 * tile_keys * width];
      float* at = (which == 0 ? to.dk : to.dv) + (first_key + key) * to.ld + kv_head * head_dim + column;
      *at += sum;
    }
  }
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_ATTENTION_KEY_GRADIENT_CUH_
