// Which keys a tile of query rows walks through, and in what order.
//
// A tile is a fixed run of rows: tile i holds rows i · n … (i + 1) · n - 1, whatever segments they belong to, so
// the host sizes the grid from `rows` alone and no tile is empty. Keys come in blocks of a fixed number of path
// positions, aligned to position. Successive segments of a tile that hold the same slots in a block share it:
// it is loaded once and computed for all of them at once (siblings over a common prefix; the rows of a decode
// step). The tile's work is a list of items (segment, block): for each segment in order, the blocks it does not
// share with the segment before. By induction every row meets its own blocks in ascending order of position,
// and a row that does not see a block is left as it was, bit for bit. So the other rows of a tile do not
// change a row.
//
// That two paths share a block is decided by comparing intervals from the root to the first that differs. Paths
// that hold the same slots divided into other intervals may be found to share less: more work, the same bits.
// Segments are ordered by query_begin and do not overlap, as rows in depth-first preorder give them.
#ifndef SWIRL_CUDA_ATTENTION_PATH_CUH_
#define SWIRL_CUDA_ATTENTION_PATH_CUH_

#include "cuda/attention.cuh"

namespace swirl::cuda {

// The first i in [0, count) with list[i] > value, count when there is none; list ascends. All lanes call
// it and get the result: 32 probes per step.
__device__ inline int first_above(const int32_t* list, int count, int value) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  int low = 0, high = count;
  while (low < high) {
    const int step = (high - low + kWarp - 1) / kWarp;
    const int probe = low + step * (lane + 1) - 1;
    const unsigned above = __ballot_sync(kAllLanes, probe >= high || list[probe] > value);
    if (above == 0) return high;
    low += step * (__ffs(static_cast<int>(above)) - 1);
    if (low + step - 1 < high) high = low + step - 1;
  }
  return low;
}

// A tile's rows and segments, in shared memory. kRows: maximum rows per tile.
template <int kRows>
struct TileRows {
  int count;  // segments with rows in the tile, numbered from 0 in order
  // Of each segment:
  int segment[kRows];         // its number in the tree
  int row_begin[kRows];       // its rows, counted from the tile's first
  int row_end[kRows];         //
  int first_position[kRows];  // of row_begin
  int shared_blocks[kRows];   // leading blocks that hold the same slots as those of the segment before
  int first_block[kRows];     // the blocks it walks itself
  int end_block[kRows];       //
  int walk_interval[kRows];   // where a walk to shared_blocks may start: an interval of the path,
  int walk_passed[kRows];     // and the path positions before it
  // Of each row:
  int owner[kRows];  // its segment here, -1 for none
  int position[kRows];
};

// Compares the paths of segments `before` and `s`, a warp at a time; fills s's entry i of the tile.
template <int kRows>
__device__ void find_shared_blocks(const swirl_tree& tree, int before, int s, int block_keys, int i,
                                   TileRows<kRows>* tile) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int from_a = tree.path_offset[before], from_b = tree.path_offset[s];
  const int count_a = tree.path_offset[before + 1] - from_a, count_b = tree.path_offset[s + 1] - from_b;
  const int count = count_a < count_b ? count_a : count_b;
  int same = 0;  // path positions found equal
  int at = 0, last = 0, last_same = 0;
  for (; at < count; at += kWarp) {
    const int x = at + lane;
    bool equal = false;
    int length = 0;
    if (x < count) {
      const int begin = tree.path_begin[from_b + x], end_a = tree.path_end[from_a + x],
                end_b = tree.path_end[from_b + x];
      const bool together = tree.path_begin[from_a + x] == begin;
      equal = together && end_a == end_b;
      length = together ? (end_a < end_b ? end_a : end_b) - begin : 0;
    }
    const unsigned unequal = __ballot_sync(kAllLanes, !equal);
    const int stop = unequal == 0 ? kWarp : __ffs(static_cast<int>(unequal)) - 1;
    const int more = warp_sum(lane <= stop ? length : 0);
    if (unequal != 0) {
      const int blocks = (same + more) / block_keys;
      if (same > blocks * block_keys) at = last, same = last_same;
      if (lane == 0) {
        const bool early =
            same > blocks * block_keys;  // the previous step is past it too: restart from the root
        tile->shared_blocks[i] = blocks;
        tile->walk_interval[i] = from_b + (early ? 0 : at);
        tile->walk_passed[i] = early ? 0 : same;
      }
      return;
    }
    last = at;
    last_same = same;
    same += more;
  }
  if (lane == 0) {
    const int blocks = same / block_keys;
    const bool early = last_same > blocks * block_keys;
    tile->shared_blocks[i] = blocks;
    tile->walk_interval[i] = from_b + (early ? 0 : last);
    tile->walk_passed[i] = early ? 0 : last_same;
  }
}

// Fills the tile for rows [row_begin, row_end); the whole block calls it.
template <int kRows>
__device__ void describe_rows(const swirl_tree& tree, int window, int block_keys, int row_begin, int row_end,
                              TileRows<kRows>* tile) {
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int lane = thread % kWarp, warp = thread / kWarp;
  if (warp == 0) {
    int count = 0;
    for (int base = first_above(tree.query_end, tree.segments, row_begin);; base += kWarp) {
      const int s = base + lane;
      const bool exists = s < tree.segments;
      const int begin = exists ? tree.query_begin[s] : row_end, end = exists ? tree.query_end[s] : row_end;
      const bool inside = begin < row_end && begin < end;
      const unsigned all = __ballot_sync(kAllLanes, inside);
      if (inside) {
        const int i = count + __popc(all & ((1u << lane) - 1));
        const int first = begin > row_begin ? begin : row_begin;
        tile->segment[i] = s;
        tile->row_begin[i] = first - row_begin;
        tile->row_end[i] = (end < row_end ? end : row_end) - row_begin;
        tile->first_position[i] = tree.path_length[s] - (end - first);
      }
      count += __popc(all);
      if (__any_sync(kAllLanes, begin >= row_end)) break;
    }
    if (lane == 0) tile->count = count;
  }
  __syncthreads();
  const int count = tile->count;
  for (int row = thread; row < row_end - row_begin; row += threads) {
    int low = 0, high = count;  // the first segment that begins after the row
    while (low < high) {
      const int middle = (low + high) / 2;
      if (tile->row_begin[middle] <= row) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const bool owned = low > 0 && row < tile->row_end[low - 1];
    tile->owner[row] = owned ? low - 1 : -1;
    tile->position[row] = owned ? tile->first_position[low - 1] + row - tile->row_begin[low - 1] : -1;
  }
  for (int i = warp; i < count; i += threads / kWarp) {
    const int s = tile->segment[i];
    if (i > 0) {
      find_shared_blocks(tree, tile->segment[i - 1], s, block_keys, i, tile);
    } else if (lane == 0) {
      tile->shared_blocks[i] = 0;
      tile->walk_interval[i] = tree.path_offset[s];
      tile->walk_passed[i] = 0;
    }
    if (lane == 0)
      tile->end_block[i] =
          (tile->first_position[i] + tile->row_end[i] - tile->row_begin[i] - 1) / block_keys + 1;
  }
  __syncthreads();
  for (int i = thread; i < count; i += threads) {
    // Blocks that neither this segment's rows nor those of later ones see are left out.
    int lowest = tile->first_position[i];
    if (window > 0)
      for (int later = i + 1; later < count; ++later)
        lowest = tile->first_position[later] < lowest ? tile->first_position[later] : lowest;
    const int seen = first_visible(lowest, window) / block_keys;
    tile->first_block[i] = seen > tile->shared_blocks[i] ? seen : tile->shared_blocks[i];
  }
  __syncthreads();
}

// One block of keys of one segment, for that segment and the following ones that share the block.
struct Item {
  int segment, block;
};

// The item itself, or the next one that exists; segment == count past the last.
template <int kRows>
__device__ __forceinline__ void settle(const TileRows<kRows>& tile, Item* item) {
  while (item->segment < tile.count && item->block >= tile.end_block[item->segment]) {
    ++item->segment;
    if (item->segment < tile.count) item->block = tile.first_block[item->segment];
  }
}
template <int kRows>
__device__ __forceinline__ void advance(const TileRows<kRows>& tile, Item* item) {
  ++item->block;
  settle(tile, item);
}

// Total number of items.
template <int kRows>
__device__ __forceinline__ int count_items(const TileRows<kRows>& tile) {
  int items = 0;
  for (int i = 0; i < tile.count; ++i)
    items += tile.end_block[i] > tile.first_block[i] ? tile.end_block[i] - tile.first_block[i] : 0;
  return items;
}

// Item number `index`, which exists.
template <int kRows>
__device__ __forceinline__ Item item_at(const TileRows<kRows>& tile, int index) {
  int i = 0;
  for (;; ++i) {
    const int own = tile.end_block[i] > tile.first_block[i] ? tile.end_block[i] - tile.first_block[i] : 0;
    if (index < own) break;
    index -= own;
  }
  return {i, tile.first_block[i] + index};
}

// One past the last segment that shares the item's block. All lanes call it.
template <int kRows>
__device__ __forceinline__ int sharers_end(const TileRows<kRows>& tile, Item item) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int base = item.segment + 1; base < tile.count; base += kWarp) {
    const int i = base + lane;
    const unsigned stop = __ballot_sync(kAllLanes, i >= tile.count || tile.shared_blocks[i] <= item.block);
    if (stop != 0) return base + __ffs(static_cast<int>(stop)) - 1;
  }
  return tile.count;
}

// One warp's walk along the paths: items in ascending order, 32 intervals per step.
class PathWalk {
 public:
  // slots[i] = slot at path position item.block · kKeys + i, -1 past the path's end.
  template <int kKeys, int kRows>
  __device__ void resolve(const swirl_tree& tree, const TileRows<kRows>& tile, Item item, int* slots) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    if (item.segment != segment_) {
      segment_ = item.segment;
      interval_ = tile.walk_interval[segment_];
      passed_ = tile.walk_passed[segment_];
      end_ = tree.path_offset[tile.segment[segment_] + 1];
      length_ = tree.path_length[tile.segment[segment_]];
    }
    const int first = item.block * kKeys;
    for (int i = lane; i < kKeys; i += kWarp)
      if (first + i >= length_) slots[i] = -1;
    for (;;) {
      const bool exists = interval_ + lane < end_;
      const int begin = exists ? tree.path_begin[interval_ + lane] : 0;
      const int length = exists ? tree.path_end[interval_ + lane] - begin : 0;
      int through = length;  // sum of the lengths up to this interval
#pragma unroll
      for (int distance = 1; distance < kWarp; distance *= 2) {
        const int other = __shfl_up_sync(kAllLanes, through, distance);
        if (lane >= distance) through += other;
      }
      const int start = passed_ + through - length - first;  // of this interval, from the block's first
      const int from = start > 0 ? start : 0, to = start + length < kKeys ? start + length : kKeys;
      unsigned overlapping = __ballot_sync(kAllLanes, from < to);
      if (__popc(overlapping) <= 4) {  // few long ones: all lanes write one together
        for (; overlapping != 0; overlapping &= overlapping - 1) {
          const int source = __ffs(static_cast<int>(overlapping)) - 1;
          const int shift = __shfl_sync(kAllLanes, begin - start, source);
          const int stop = __shfl_sync(kAllLanes, to, source);
          for (int i = __shfl_sync(kAllLanes, from, source) + lane; i < stop; i += kWarp)
            slots[i] = shift + i;
        }
      } else {
        for (int i = from; i < to; ++i) slots[i] = begin - start + i;
      }
      const int total = __shfl_sync(kAllLanes, through, kWarp - 1);
      if (passed_ + total >= first + kKeys || interval_ + kWarp >= end_) return;
      passed_ += total;
      interval_ += kWarp;
    }
  }

 private:
  int segment_ = -1, interval_ = 0, passed_ = 0, end_ = 0, length_ = 0;
};

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_ATTENTION_PATH_CUH_
