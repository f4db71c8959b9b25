// Tree attention backward: delta = Σ dout · out; dq by tiles of queries; dk and dv by tiles of keys. No atomics:
// every sum belongs to one block of threads and has one order. Scores are recomputed in both passes: 7 matrix
// products in all, compared with 5 in a pass that shares them through atomics.
#include <algorithm>

#include "cuda/attention_key_gradient.cuh"
#include "cuda/attention_query_gradient.cuh"
#include "cuda/ops.h"

namespace swirl::cuda {
namespace {

constexpr const char* kOp = "attention_backward";
constexpr int kDeltaThreads = 128;
constexpr size_t kMostPartBytes = size_t{256} << 20;

// delta[row, head] = Σ dout · out. `lanes`, a power of two, share a head.
template <bool kAligned, class T>
__global__ void __launch_bounds__(kDeltaThreads)
    dot_rows(int64_t entries, int heads, int head_dim, int lanes, const T* out, int64_t ldo, const T* dout,
             int64_t lddo, float* delta) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread % lanes;
  const int64_t entry = static_cast<int64_t>(blockIdx.x) * (kDeltaThreads / lanes) + thread / lanes;
  float sum = 0;
  if (entry < entries) {
    const int64_t row = entry / heads, column = entry % heads * head_dim;
    for (int d = lane * kVector<T>; d < head_dim; d += lanes * kVector<T>) {
      float a[kVector<T>], b[kVector<T>];
      load_some<kAligned>(out + row * ldo + column + d, head_dim - d, a);
      load_some<kAligned>(dout + row * lddo + column + d, head_dim - d, b);
#pragma unroll
      for (int i = 0; i < kVector<T>; ++i) sum = fmaf(a[i], b[i], sum);
    }
  }
  for (int distance = lanes / 2; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(kAllLanes, sum, distance);
  if (lane == 0 && entry < entries) delta[entry] = sum;
}

template <class T>
swirl_status run_dot_rows(swirl_device* device, const Backward<T>& at, const T* out, int64_t ldo,
                          float* delta) {
  int lanes = 1;
  while (lanes < kWarp && lanes * kVector<T> < at.head_dim) lanes *= 2;
  const int64_t entries = static_cast<int64_t>(at.tree.rows) * at.heads;
  const dim3 grid(static_cast<unsigned>(ceil_div(entries, kDeltaThreads / lanes)));
  const bool aligned = at.aligned_dout && vectorizes<T>(out, ldo, at.head_dim);
  return launch(device, kOp, aligned ? dot_rows<true, T> : dot_rows<false, T>, grid, dim3(kDeltaThreads), 0,
                entries, at.heads, at.head_dim, lanes, out, ldo, at.dout, at.lddo, delta);
}

// Rows per chunk: about 16 tasks per multiprocessor, each of at least 256 queries.
int chunk_rows(const swirl_device* device, const swirl_tree& tree, int kv_heads, int group, int tile_keys) {
  const int64_t tasks = int64_t{16} * device->multiprocessors;
  const int64_t even = ceil_div(tree.pairs * kv_heads, tile_keys * tasks), least = ceil_div(256, group);
  const int64_t rows = even > least ? even : least;
  return static_cast<int>(rows < tree.rows ? rows : tree.rows);
}

template <class T, class QueryTile, class KeyTile>
swirl_status run(swirl_device* device, Backward<T> at, int kv_heads, const T* out, int64_t ldo,
                 QueryGradient<T> to_queries, KeyGradient to_keys) {
  constexpr int kHead = QueryTile::kWidth;
  const swirl_tree& tree = at.tree;
  // Scratch: delta, the plan, parts.
  const int chunk = chunk_rows(device, tree, kv_heads, at.group, KeyTile::kKeys);
  const size_t part_bytes = static_cast<size_t>(kv_heads) * 2 * KeyTile::kKeys * kHead * sizeof(float);
  const int64_t could_be =
      ceil_div(tree.rows, chunk) * ceil_div(tree.longest_key_run, KeyTile::kKeys) * tree.key_runs;
  int64_t most_parts = static_cast<int64_t>(kMostPartBytes / part_bytes);
  if (most_parts > could_be) most_parts = could_be;
  const size_t delta_bytes = static_cast<size_t>(round_up(int64_t{tree.rows} * at.heads * 4, 256));
  const size_t list_bytes = static_cast<size_t>(round_up((int64_t{tree.key_runs} + 1) * 4, 256));
  auto* scratch = static_cast<unsigned char*>(
      reserve(device, delta_bytes + 2 * list_bytes + 256 + static_cast<size_t>(most_parts) * part_bytes));
  if (scratch == nullptr) return SWIRL_OUT_OF_MEMORY;
  const auto ints = [&](size_t offset) { return reinterpret_cast<int32_t*>(scratch + delta_bytes + offset); };
  to_keys.plan = {ints(0), ints(list_bytes), ints(2 * list_bytes)};
  to_keys.parts = reinterpret_cast<float*>(ints(2 * list_bytes + 256));
  auto* delta = reinterpret_cast<float*>(scratch);
  at.delta = delta;
  to_queries.tile_rows = QueryTile::kQueries / at.group;

  swirl_status status = run_dot_rows(device, at, out, ldo, delta);
  if (status != SWIRL_OK) return status;
  const dim3 query_grid(static_cast<unsigned>(ceil_div(tree.rows, to_queries.tile_rows)),
                        static_cast<unsigned>(kv_heads));
  status = launch(device, kOp, query_gradient<T, QueryTile>, query_grid, dim3(QueryTile::kThreads),
                  sizeof(QueryTile), at, to_queries);
  if (status != SWIRL_OK || tree.key_runs == 0) return status;

  status = launch(device, kOp, plan_keys, dim3(1), dim3(kPlanThreads), 0, tree, KeyTile::kKeys, chunk,
                  static_cast<int>(most_parts), to_keys.plan);
  if (status != SWIRL_OK) return status;
  // Only the GPU knows the number of tasks: as many blocks as can run at once loop over them.
  const unsigned resident = 4 * static_cast<unsigned>(device->multiprocessors);
  const int64_t most_tasks = could_be > 0 ? could_be : 1;
  const dim3 key_grid(most_tasks < resident ? static_cast<unsigned>(most_tasks) : resident,
                      static_cast<unsigned>(kv_heads), KeyTile::kRoles);
  status = launch(device, kOp, key_gradient<T, KeyTile>, key_grid, dim3(KeyTile::kThreads), sizeof(KeyTile),
                  at, to_keys);
  if (status != SWIRL_OK || chunk >= tree.rows) return status;
  return launch(device, kOp, add_parts, dim3(key_grid.x, key_grid.y), dim3(kPartThreads), 0, tree, to_keys,
                KeyTile::kKeys, kHead, at.head_dim);
}

}  // namespace

swirl_status attention_backward(swirl_device* device, const swirl_attention_shape* shape,
                                const swirl_tree* tree, const void* q, int32_t ldq, const void* k,
                                int32_t ldk, const void* v, int32_t ldv, const void* out, int32_t ldo,
                                const float* lse, const void* dout, int32_t lddo, void* dq, float* dk,
                                float* dv, swirl_dtype dtype) {
  const swirl_status status = check_attention(device, kOp, *shape);
  if (status != SWIRL_OK || tree->rows == 0) return status;
  return with_type(dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    Backward<T> at(*shape, *tree, q, ldq, k, ldk, v, ldv);
    at.dout = static_cast<const T*>(dout), at.lddo = lddo;
    at.lse = lse;
    at.aligned_dout = vectorizes<T>(dout, lddo, shape->head_dim);
    const QueryGradient<T> to_queries = {static_cast<T*>(dq), ldq, 0, pairs<T>(dq, ldq, shape->head_dim)};
    const int64_t ld = int64_t{shape->kv_heads} * shape->head_dim;
    const bool paired = pairs<float>(dk, ld, shape->head_dim) && pairs<float>(dv, ld, shape->head_dim);
    const KeyGradient to_keys = {{}, dk, dv, ld, nullptr, paired};
    return with_head<T>(shape->head_dim, [&](auto head) {
      constexpr int kHead = decltype(head)::value;
      return with_tile<QueryGradientTile, T, kHead>(device, [&](auto* query_tile) {
        using QueryTile = std::remove_pointer_t<decltype(query_tile)>;
        const swirl_status fits = check_tile(device, kOp, *shape, QueryTile::kQueries);
        if (fits != SWIRL_OK) return fits;
        return with_tile<KeyGradientTile, T, kHead>(device, [&](auto* key_tile) {
          return run<T, QueryTile, std::remove_pointer_t<decltype(key_tile)>>(
              device, at, shape->kv_heads, static_cast<const T*>(out), ldo, to_queries, to_keys);
        });
      });
    });
  });
}

}  // namespace swirl::cuda
