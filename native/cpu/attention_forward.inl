#include "native/cpu/attention_blocks.inl"

namespace swirl {
namespace SWIRL_ISA {

// One query's softmax over kColumns keys of a block: scores become probabilities against the running maximum,
// as a line; its sums so far [width] and its total are rescaled as the maximum grows. Keys low … high are
// seen.
template <int kColumns>
void softmax_step(const swirl_attention_shape& shape, float low, float high, float* s, int32_t width,
                  float* sums, float* maximum, float* total) {
  const bool partial = low > 0 || high < kColumns - 1;
  const V lane = lane_numbers();
  constexpr int kVectors = kColumns / kLanes;
  V value[kVectors], top = splat(-INFINITY);
#pragma GCC unroll 4
  for (int i = 0; i < kVectors; ++i) {
    value[i] = score(load(s + i * kLanes), shape);
    if (partial)
      value[i] = keep(value[i], lane + static_cast<float>(i * kLanes), low, high, splat(-INFINITY));
    top = max(value[i], top);
  }
  const float before = *maximum, now = std::max(before, largest(top));
  const V origin = splat(now);
  V added = zeros();
#pragma GCC unroll 4
  for (int i = 0; i < kVectors; ++i) {
    const V p = exp(value[i] - origin);
    store(s + i * kLanes, p);
    added = added + p;
  }
  scores_to_line(s, kColumns);
  if (now != before) {
    const float shrink = before == -INFINITY ? 0.0f : exp(splat(before - now))[0];
    for (int32_t d = 0; d < width; d += kLanes) store(sums + d, load(sums + d) * shrink);
    *total *= shrink;
    *maximum = now;
  }
  *total += sum(added);
}

static inline void softmax_columns(const swirl_attention_shape& shape, int32_t columns, float low, float high,
                                   float* s, int32_t width, float* sums, float* maximum, float* total) {
  static_assert(kKeyBlock == 64, "one case for each multiple of 16");
  switch (columns) {
    case 16:
      return softmax_step<16>(shape, low, high, s, width, sums, maximum, total);
    case 32:
      return softmax_step<32>(shape, low, high, s, width, sums, maximum, total);
    case 48:
      return softmax_step<48>(shape, low, high, s, width, sums, maximum, total);
    default:
      return softmax_step<64>(shape, low, high, s, width, sums, maximum, total);
  }
}

// State of a tile while it walks its key blocks; all in one thread's scratch.
struct ForwardScratch {
  float* queries;                   // lines [tile_queries, units]
  float* sums;                      // [tile_queries, width] Σ p · v so far
  float* scores;                    // [tile_queries, kKeyBlock]
  float *lines, *turned, *stacked;  // a key block in each layout
  float *maximum, *total;           // [tile_queries]
  int32_t *position, *row;          // [tile_queries] of each row of the tile

  static size_t bytes(const Attention& attention) {
    const size_t queries = static_cast<size_t>(round_up(attention.tile_queries(), 16));
    const size_t width = static_cast<size_t>(padded_head(attention.shape.head_dim));
    return (2 * queries * width + queries * kKeyBlock + 3 * width * kKeyBlock + 4 * queries) * sizeof(float);
  }
  ForwardScratch(const Attention& attention, void* memory) {
    const int64_t most = round_up(attention.tile_queries(), 16),
                  width = padded_head(attention.shape.head_dim);
    float* place = static_cast<float*>(memory);
    const auto next = [&place](int64_t count) {
      float* out = place;
      place += count;
      return out;
    };
    queries = next(most * width);
    sums = next(most * width);
    scores = next(most * kKeyBlock);
    lines = next(width * kKeyBlock);
    turned = next(width * kKeyBlock);
    stacked = next(width * kKeyBlock);
    maximum = next(most);
    total = next(most);
    position = reinterpret_cast<int32_t*>(next(most));
    row = reinterpret_cast<int32_t*>(next(most));
  }
};

// Adds one key block to rows [first, last) of the tile.
static inline void forward_block(const Attention& attention, const KeyBlock& block, const float* values,
                                 const ForwardScratch& at, int32_t first, int32_t last) {
  const int32_t group = attention.group, width = padded_head(attention.shape.head_dim),
                units = width / kDepth;
  const int32_t columns = block.columns();
  const auto sees = [&](int32_t row) {
    return at.position[row] >= block.first &&
           attention.first_visible(at.position[row]) < block.first + block.count;
  };
  while (first < last && !sees(first)) ++first;
  while (last > first && !sees(last - 1)) --last;
  if (first == last) return;
  const int64_t m0 = static_cast<int64_t>(first) * group;
  const int32_t queries = (last - first) * group;
  float* scores = at.scores + m0 * kKeyBlock;
  matmul<false>(queries, columns, (attention.shape.head_dim + kDepth - 1) / kDepth, at.queries + m0 * units,
                units, 1, at.turned, kKeyBlock, scores, kKeyBlock);
  for (int32_t row = first; row < last; ++row) {
    const float low = static_cast<float>(attention.first_visible(at.position[row]) - block.first);
    const float high = static_cast<float>(std::min(at.position[row] - block.first, block.count - 1));
    for (int32_t m = row * group; m < (row + 1) * group; ++m) {
      float* s = at.scores + static_cast<int64_t>(m) * kKeyBlock;
      if (sees(row)) {
        softmax_columns(attention.shape, columns, low, high, s, width,
                        at.sums + static_cast<int64_t>(m) * width, at.maximum + m, at.total + m);
      } else {  // a row of another segment, between two that see the block
        std::memset(s, 0, static_cast<size_t>(columns) * sizeof(float));
      }
    }
  }
  matmul<true>(queries, width, columns / kDepth, scores, kKeyBlock, 1, values, width, at.sums + m0 * width,
               width);
}

// Loads the tile's queries; returns its rows.
template <class T>
int32_t load_queries(const Attention& attention, const QueryTile& tile, int32_t kv_head, const T* q,
                     int64_t ldq, const ForwardScratch& at) {
  const int32_t group = attention.group, head_dim = attention.shape.head_dim, width = padded_head(head_dim);
  const swirl_tree& tree = attention.tree;
  const bool one = tile.last - tile.first == 1;
  int32_t rows = 0;
  for (int32_t s = tile.first; s < tile.last; ++s) {
    const int32_t begin = one ? tile.begin : tree.query_begin[s], end = one ? tile.end : tree.query_end[s];
    for (int32_t row = begin; row < end; ++row, ++rows) {
      at.row[rows] = row;
      at.position[rows] = attention.start_of(s) + row - tree.query_begin[s];
      for (int32_t g = 0; g < group; ++g) {
        const int64_t m = static_cast<int64_t>(rows) * group + g;
        load_line(q + row * ldq + static_cast<int64_t>(kv_head * group + g) * head_dim, head_dim,
                  width / kDepth, at.queries + m * (width / kDepth));
        at.maximum[m] = -INFINITY;
        at.total[m] = 0;
      }
    }
  }
  std::memset(at.sums, 0, static_cast<size_t>(rows) * static_cast<size_t>(group * width) * sizeof(float));
  return rows;
}

template <class T>
void forward_tile(const Attention& attention, const QueryTile& tile, int32_t kv_head, const T* q, int64_t ldq,
                  const T* k, int64_t ldk, const T* v, int64_t ldv, T* out, int64_t ldo, float* lse,
                  void* memory) {
  const swirl_tree& tree = attention.tree;
  const int32_t group = attention.group, head_dim = attention.shape.head_dim, width = padded_head(head_dim);
  const ForwardScratch at(attention, memory);
  const int32_t rows = load_queries(attention, tile, kv_head, q, ldq, at);

  KeyBlock block;
  const auto take = [&](PathWalk& walk, int32_t position, int32_t first, int32_t last) {
    const int64_t head = static_cast<int64_t>(kv_head) * head_dim;
    walk.block(position, &block);
    load_keys(block, k + head, ldk, head_dim, width / kDepth, at.lines);
    turn(at.lines, block.columns(), width / kDepth, at.turned);
    load_keys(block, v + head, ldv, head_dim, width / kDepth, at.lines);
    forward_block(attention, block, stack(at.lines, block.columns(), width / kDepth, at.stacked), at, first,
                  last);
  };
  const auto first_block = [&](int32_t row) {
    return attention.first_visible(at.position[row]) / kKeyBlock * kKeyBlock;
  };
  // Blocks that all segments share are processed once for all rows; then each segment's own blocks.
  const int32_t shared = tile.common / kKeyBlock * kKeyBlock;
  if (shared > 0) {
    int32_t position = shared;
    for (int32_t r = 0; r < rows; ++r) position = std::min(position, first_block(r));
    PathWalk walk(tree, tile.first);
    for (; position < shared; position += kKeyBlock) take(walk, position, 0, rows);
  }
  int32_t row = 0;
  for (int32_t s = tile.first; s < tile.last; ++s) {
    const int32_t count = tile.last - tile.first == 1 ? rows : attention.rows_of(s);
    if (count == 0) continue;
    PathWalk walk(tree, s);
    for (int32_t p = std::max(shared, first_block(row)); p <= at.position[row + count - 1]; p += kKeyBlock)
      take(walk, p, row, row + count);
    row += count;
  }

  for (int32_t r = 0; r < rows; ++r) {
    for (int32_t g = 0; g < group; ++g) {
      const int64_t m = static_cast<int64_t>(r) * group + g, head = static_cast<int64_t>(kv_head) * group + g;
      lse[static_cast<int64_t>(at.row[r]) * attention.shape.heads + head] =
          at.maximum[m] + std::log(at.total[m]);
      const float inverse = 1.0f / at.total[m];
      T* to = out + at.row[r] * ldo + head * head_dim;
      const float* from = at.sums + m * width;
      int32_t d = 0;
      for (; d + kLanes <= head_dim; d += kLanes) store(to + d, load(from + d) * inverse);
      if (d < head_dim) store_n(to + d, load(from + d) * inverse, head_dim - d);
    }
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
