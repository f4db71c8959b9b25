#include "native/cpu/attention_blocks.inl"

namespace swirl {
namespace SWIRL_ISA {

// Adds one key block to the running softmax of queries [queries] of consecutive rows: out, maximum and total
// are rescaled as the maximum grows. position[row] tells what each row sees.
static inline void forward_block(const Attention& attention, const KeyBlock& block, const float* keys_turned,
                                 const float* values, int32_t width, int32_t rows, const int32_t* position,
                                 const float* q, float* scores, float* out, float* maximum, float* total) {
  const int32_t group = attention.group;
  int32_t begin = 0, end = rows;  // the rows that see any of the block; positions rise within a segment
  const auto sees = [&](int32_t row) {
    return position[row] >= block.first && attention.first_visible(position[row]) < block.first + block.count;
  };
  while (begin < end && !sees(begin)) ++begin;
  while (end > begin && !sees(end - 1)) --end;
  if (begin == end) return;
  const int64_t skip = static_cast<int64_t>(begin) * group;
  const int32_t queries = (end - begin) * group;
  matmul<false>(queries, kKeyBlock, attention.shape.head_dim, q + skip * width, width, 1, keys_turned,
                kKeyBlock, scores + skip * kKeyBlock, kKeyBlock);
  const V lane = lane_numbers();
  for (int32_t row = begin; row < end; ++row) {
    const float low = static_cast<float>(attention.first_visible(position[row]) - block.first);
    const float high = static_cast<float>(std::min(position[row] - block.first, block.count - 1));
    const bool partial = low > 0 || high < kKeyBlock - 1;
    for (int32_t m = row * group; m < (row + 1) * group; ++m) {
      float* s = scores + static_cast<int64_t>(m) * kKeyBlock;
      if (!sees(row)) {  // a row of another segment, between two that see the block
        std::memset(s, 0, kKeyBlock * sizeof(float));
        continue;
      }
      V top = splat(-INFINITY);
      for (int32_t j = 0; j < kKeyBlock; j += kLanes) {
        V value = score(load(s + j), attention.shape);
        if (partial) value = keep(value, lane + static_cast<float>(j), low, high, splat(-INFINITY));
        store(s + j, value);
        top = max(value, top);
      }
      const float before = maximum[m], now = std::max(before, largest(top));
      const V origin = splat(now);
      V sums = zeros();
      for (int32_t j = 0; j < kKeyBlock; j += kLanes) {
        const V p = exp(load(s + j) - origin);
        store(s + j, p);
        sums = sums + p;
      }
      if (now != before) {
        const float shrink = before == -INFINITY ? 0.0f : exp(splat(before - now))[0];
        float* row_out = out + static_cast<int64_t>(m) * width;
        for (int32_t d = 0; d < width; d += kLanes) store(row_out + d, load(row_out + d) * shrink);
        total[m] *= shrink;
        maximum[m] = now;
      }
      total[m] += sum(sums);
    }
  }
  matmul<true>(queries, width, kKeyBlock, scores + skip * kKeyBlock, kKeyBlock, 1, values, width,
               out + skip * width, width);
}

// Scratch of one tile, in floats: q, out [queries, width]; scores [queries, kKeyBlock]; a key block's rows
// and its transpose; maximum, total [queries]; positions and rows of the tile.
static inline size_t forward_scratch(const Attention& attention) {
  const size_t queries = static_cast<size_t>(attention.tile_rows) * static_cast<size_t>(attention.group);
  const size_t width = static_cast<size_t>(padded_head(attention.shape.head_dim));
  return (2 * queries * width + queries * kKeyBlock + 3 * width * kKeyBlock + 2 * queries + 2 * queries +
          64) *
         sizeof(float);
}

template <class T>
void forward_tile(const Attention& attention, const QueryTile& tile, int32_t kv_head, const T* q, int64_t ldq,
                  const T* k, int64_t ldk, const T* v, int64_t ldv, T* out, int64_t ldo, float* lse,
                  void* scratch) {
  const swirl_attention_shape& shape = attention.shape;
  const swirl_tree& tree = attention.tree;
  const int32_t group = attention.group, head_dim = shape.head_dim, width = padded_head(head_dim);
  const int64_t most = static_cast<int64_t>(attention.tile_rows) * group;
  float* queries = static_cast<float*>(scratch);
  float* sums = queries + most * width;
  float* scores = sums + most * width;
  float* key_rows = scores + most * kKeyBlock;
  float* keys_turned = key_rows + static_cast<int64_t>(width) * kKeyBlock;
  float* values = keys_turned + static_cast<int64_t>(width) * kKeyBlock;
  float* maximum = values + static_cast<int64_t>(width) * kKeyBlock;
  float* total = maximum + most;
  int32_t* position = reinterpret_cast<int32_t*>(total + most);
  int32_t* row_of = position + most;

  int32_t rows = 0;
  for (int32_t s = tile.first; s < tile.last; ++s) {
    const bool one = tile.last - tile.first == 1;
    const int32_t begin = one ? tile.begin : tree.query_begin[s], end = one ? tile.end : tree.query_end[s];
    for (int32_t row = begin; row < end; ++row) {
      row_of[rows] = row;
      position[rows++] = attention.start_of(s) + row - tree.query_begin[s];
    }
  }
  for (int32_t r = 0; r < rows; ++r) {
    for (int32_t g = 0; g < group; ++g) {
      const int64_t m = static_cast<int64_t>(r) * group + g;
      load_head(q + row_of[r] * ldq + static_cast<int64_t>(kv_head * group + g) * head_dim, head_dim, width,
                queries + m * width);
      maximum[m] = -INFINITY;
      total[m] = 0;
    }
  }
  std::memset(sums, 0, static_cast<size_t>(rows) * static_cast<size_t>(group * width) * sizeof(float));

  KeyBlock block;
  const auto take = [&](PathWalk& walk, int32_t first, int32_t row, int32_t count) {
    walk.block(first, &block);
    load_keys(block, k + static_cast<int64_t>(kv_head) * head_dim, ldk, head_dim, width, key_rows);
    turn(key_rows, width, keys_turned);
    load_keys(block, v + static_cast<int64_t>(kv_head) * head_dim, ldv, head_dim, width, values);
    const int64_t m = static_cast<int64_t>(row) * group;
    forward_block(attention, block, keys_turned, values, width, count, position + row, queries + m * width,
                  scores + m * kKeyBlock, sums + m * width, maximum + m, total + m);
  };
  // Blocks that all segments share, once for all rows; then each segment's own.
  const int32_t shared = tile.common / kKeyBlock * kKeyBlock;
  const auto first_block = [&](int32_t row) {
    return attention.first_visible(position[row]) / kKeyBlock * kKeyBlock;
  };
  if (shared > 0) {
    int32_t first = shared;
    for (int32_t r = 0; r < rows; ++r) first = std::min(first, first_block(r));
    PathWalk walk(tree, tile.first);
    for (; first < shared; first += kKeyBlock) take(walk, first, 0, rows);
  }
  int32_t row = 0;
  for (int32_t s = tile.first; s < tile.last; ++s) {
    const int32_t count = tile.last - tile.first == 1 ? rows : attention.rows_of(s);
    if (count == 0) continue;
    PathWalk walk(tree, s);
    for (int32_t first = std::max(shared, first_block(row)); first <= position[row + count - 1];
         first += kKeyBlock)
      take(walk, first, row, count);
    row += count;
  }

  for (int32_t r = 0; r < rows; ++r) {
    for (int32_t g = 0; g < group; ++g) {
      const int64_t m = static_cast<int64_t>(r) * group + g;
      const int64_t head = static_cast<int64_t>(kv_head) * group + g;
      lse[static_cast<int64_t>(row_of[r]) * shape.heads + head] = maximum[m] + std::log(total[m]);
      const float inverse = 1.0f / total[m];
      T* to = out + row_of[r] * ldo + head * head_dim;
      const float* from = sums + m * width;
      int32_t d = 0;
      for (; d + kLanes <= head_dim; d += kLanes) store(to + d, load(from + d) * inverse);
      if (d < head_dim) store_n(to + d, load(from + d) * inverse, head_dim - d);
    }
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
