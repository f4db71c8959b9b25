// Divides the gradients of keys into tasks.
//
// A task is a tile of keys of one key run and a chunk of the rows that may see the run. The keys of a prompt are
// seen by every row of its tree, those of an action by a few dozen, so rows are divided into chunks: a 1,024-token
// prompt under 50,000 rows is 8 or 16 tiles of keys for each key head, far fewer than a GPU has multiprocessors,
// and each would take as long as all the other work together. A tile of one chunk adds to dk and dv itself; of
// the chunks of other tiles store their sums in scratch (a part each), and add_parts adds them in ascending order of
// chunks. The chunk is a function of the call's sizes only, so a call repeated gives the same bits.
#ifndef SWIRL_CUDA_ATTENTION_KEY_PLAN_CUH_
#define SWIRL_CUDA_ATTENTION_KEY_PLAN_CUH_

#include "cuda/attention_path.cuh"

namespace swirl::cuda {

// Tasks and parts of runs before each run [key_runs + 1], in device memory.
struct KeyPlan {
  int32_t* task_begin;
  int32_t* part_begin;
  int32_t* chunk_rows;  // [1]
};

// A run's part of the plan.
struct RunTasks {
  int tiles, chunks;
  __device__ int tasks() const { return tiles * chunks; }
  __device__ int parts() const { return chunks > 1 ? tiles * chunks : 0; }
};
__device__ inline RunTasks tasks_of_run(const swirl_tree& tree, int run, int tile_keys, int chunk_rows) {
  const int keys = tree.key_end[run] - tree.key_begin[run];
  const int rows = tree.key_query_end[run] - tree.key_query_begin[run];
  if (keys <= 0 || rows <= 0) return {0, 0};
  return {(keys + tile_keys - 1) / tile_keys, (rows - 1) / chunk_rows + 1};
}

constexpr int kPlanThreads = 256;

// One block. Doubles the chunk until the parts fit `most_parts`.
__global__ void __launch_bounds__(kPlanThreads)
    plan_keys(swirl_tree tree, int tile_keys, int chunk_rows, int most_parts, KeyPlan plan) {
  __shared__ int warp_tasks[kPlanThreads / kWarp], warp_parts[kPlanThreads / kWarp];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  for (;; chunk_rows *= 2) {
    int parts = 0;  // of this thread's runs, capped
    for (int run = thread; run < tree.key_runs && parts <= most_parts; run += kPlanThreads)
      parts += tasks_of_run(tree, run, tile_keys, chunk_rows).parts();
    if (block_sum<kPlanThreads>(parts <= most_parts ? parts : most_parts + 1) <= most_parts) break;
  }
  if (thread == 0) plan.chunk_rows[0] = chunk_rows;
  int tasks_before = 0, parts_before = 0;
  for (int first = 0; first < tree.key_runs; first += kPlanThreads) {
    const int run = first + thread;
    const RunTasks own =
        run < tree.key_runs ? tasks_of_run(tree, run, tile_keys, chunk_rows) : RunTasks{0, 0};
    int tasks = own.tasks(), parts = own.parts();  // up to and with this thread's
#pragma unroll
    for (int distance = 1; distance < kWarp; distance *= 2) {
      const int more_tasks = __shfl_up_sync(kAllLanes, tasks, distance);
      const int more_parts = __shfl_up_sync(kAllLanes, parts, distance);
      if (lane >= distance) tasks += more_tasks, parts += more_parts;
    }
    if (lane == kWarp - 1) warp_tasks[warp] = tasks, warp_parts[warp] = parts;
    __syncthreads();
    for (int other = 0; other < kPlanThreads / kWarp; ++other) {
      if (other < warp) tasks += warp_tasks[other], parts += warp_parts[other];
    }
    if (run < tree.key_runs) {
      plan.task_begin[run] = tasks_before + tasks - own.tasks();
      plan.part_begin[run] = parts_before + parts - own.parts();
    }
    for (int other = 0; other < kPlanThreads / kWarp; ++other)
      tasks_before += warp_tasks[other], parts_before += warp_parts[other];
    __syncthreads();
  }
  if (thread == 0) {
    plan.task_begin[tree.key_runs] = tasks_before;
    plan.part_begin[tree.key_runs] = parts_before;
  }
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_ATTENTION_KEY_PLAN_CUH_
