#include "native/cpu/attention_blocks.inl"

// With p = exp(score - lse), dp = dout · v, delta = Σ dout · out:  dscore = p · (dp - delta),
// dproduct = dscore · slope,  dq = Σ dproduct · k,  dk = Σ dproduct · q,  dv = Σ p · dout.
namespace swirl {
namespace SWIRL_ISA {

// delta[row, head] = dout · out
template <class T>
void delta_rows(int64_t begin, int64_t end, int32_t heads, int32_t head_dim, const T* out, int64_t ldo,
                const T* dout, int64_t lddo, float* delta) {
  for (int64_t row = begin; row < end; ++row) {
    for (int32_t head = 0; head < heads; ++head) {
      const T* a = out + row * ldo + static_cast<int64_t>(head) * head_dim;
      const T* b = dout + row * lddo + static_cast<int64_t>(head) * head_dim;
      V sums = zeros();
      int32_t i = 0;
      for (; i + kLanes <= head_dim; i += kLanes) sums = fma(load(a + i), load(b + i), sums);
      if (i < head_dim) sums = fma(load_n(a + i, head_dim - i), load_n(b + i, head_dim - i), sums);
      delta[row * heads + head] = sum(sums);
    }
  }
}

// Rows of a tile, widened: q, dout [rows · group, width]; lse, delta [rows · group].
template <class T>
void load_queries(const Attention& attention, const Gradient<T>& g, int32_t kv_head, int32_t begin,
                  int32_t end, float* q, float* dout, float* lse, float* delta) {
  const int32_t group = attention.group, head_dim = attention.shape.head_dim, width = padded_head(head_dim);
  int64_t m = 0;
  for (int32_t row = begin; row < end; ++row) {
    for (int32_t i = 0; i < group; ++i, ++m) {
      const int64_t head = static_cast<int64_t>(kv_head) * group + i;
      load_head(g.q + row * g.ldq + head * head_dim, head_dim, width, q + m * width);
      load_head(g.dout + row * g.lddo + head * head_dim, head_dim, width, dout + m * width);
      lse[m] = g.lse[static_cast<int64_t>(row) * attention.shape.heads + head];
      delta[m] = g.delta[static_cast<int64_t>(row) * attention.shape.heads + head];
    }
  }
}

// p and dproduct [queries, kKeyBlock] from products q·k (in p) and dout·v (in ds), for keys at path positions
// first … first + count - 1.
static inline void score_gradient(const Attention& attention, int32_t rows, const int32_t* position,
                                  int32_t first, int32_t count, const float* lse, const float* delta,
                                  float* p, float* ds) {
  const V lane = lane_numbers();
  for (int32_t row = 0; row < rows; ++row) {
    const float low = static_cast<float>(attention.first_visible(position[row]) - first);
    const float high = static_cast<float>(std::min(position[row] - first, count - 1));
    const bool partial = low > 0 || high < kKeyBlock - 1;
    for (int32_t m = row * attention.group; m < (row + 1) * attention.group; ++m) {
      float* p_row = p + static_cast<int64_t>(m) * kKeyBlock;
      float* ds_row = ds + static_cast<int64_t>(m) * kKeyBlock;
      const V origin = splat(lse[m]), mean = splat(delta[m]);
      for (int32_t j = 0; j < kKeyBlock; j += kLanes) {
        const V s = score(load(p_row + j), attention.shape);
        V probability = exp(s - origin);
        V d = probability * (load(ds_row + j) - mean) * score_slope(s, attention.shape);
        if (partial) {
          const V index = lane + static_cast<float>(j);
          probability = keep(probability, index, low, high, zeros());
          d = keep(d, index, low, high, zeros());
        }
        store(p_row + j, probability);
        store(ds_row + j, d);
      }
    }
  }
}

// Writes [head_dim] rounded to T.
template <class T>
SWIRL_INLINE void store_head(const float* from, int32_t head_dim, T* to) {
  int32_t d = 0;
  for (; d + kLanes <= head_dim; d += kLanes) store(to + d, load(from + d));
  if (d < head_dim) store_n(to + d, load_n(from + d, head_dim - d), head_dim - d);
}

// Scratch of either pass, in floats: q, dout [queries, width]; p, ds [queries, kKeyBlock]; four key blocks of
// [kKeyBlock, width]; two more for the sums; lse, delta [queries].
static inline size_t backward_scratch(const Attention& attention) {
  const size_t queries = static_cast<size_t>(attention.tile_rows) * static_cast<size_t>(attention.group);
  const size_t width = static_cast<size_t>(padded_head(attention.shape.head_dim));
  return (3 * queries * width + 2 * queries * kKeyBlock + 6 * width * kKeyBlock + 2 * queries + 64) *
         sizeof(float);
}

struct BackwardScratch {
  float *q, *dout, *dq, *p, *ds, *k, *k_turned, *v, *v_turned, *dk, *dv, *lse, *delta;
  BackwardScratch(const Attention& attention, void* memory) {
    const int64_t queries = static_cast<int64_t>(attention.tile_rows) * attention.group;
    const int64_t width = padded_head(attention.shape.head_dim), keys = width * kKeyBlock;
    float* place = static_cast<float*>(memory);
    const auto next = [&place](int64_t count) {
      float* out = place;
      place += count;
      return out;
    };
    q = next(queries * width);
    dout = next(queries * width);
    dq = next(queries * width);
    p = next(queries * kKeyBlock);
    ds = next(queries * kKeyBlock);
    k = next(keys);
    k_turned = next(keys);
    v = next(keys);
    v_turned = next(keys);
    dk = next(keys);
    dv = next(keys);
    lse = next(queries);
    delta = next(queries);
  }
};

// dq of one query tile (of one segment).
template <class T>
void query_gradient_tile(const Attention& attention, const QueryTile& tile, int32_t kv_head,
                         const Gradient<T>& g, void* memory) {
  const BackwardScratch scratch(attention, memory);
  const int32_t group = attention.group, head_dim = attention.shape.head_dim, width = padded_head(head_dim);
  const int32_t rows = tile.end - tile.begin;
  const int64_t at = static_cast<int64_t>(kv_head) * head_dim;
  load_queries(attention, g, kv_head, tile.begin, tile.end, scratch.q, scratch.dout, scratch.lse,
               scratch.delta);
  std::memset(scratch.dq, 0, static_cast<size_t>(rows * group) * static_cast<size_t>(width) * sizeof(float));
  const int32_t* position = g.position + tile.begin;
  PathWalk walk(attention.tree, tile.first);
  KeyBlock block;
  for (int32_t first = attention.first_visible(position[0]) / kKeyBlock * kKeyBlock;
       first <= position[rows - 1]; first += kKeyBlock) {
    walk.block(first, &block);
    load_keys(block, g.k + at, g.ldk, head_dim, width, scratch.k);
    load_keys(block, g.v + at, g.ldv, head_dim, width, scratch.v);
    turn(scratch.k, width, scratch.k_turned);
    turn(scratch.v, width, scratch.v_turned);
    matmul<false>(rows * group, kKeyBlock, head_dim, scratch.q, width, 1, scratch.k_turned, kKeyBlock,
                  scratch.p, kKeyBlock);
    matmul<false>(rows * group, kKeyBlock, head_dim, scratch.dout, width, 1, scratch.v_turned, kKeyBlock,
                  scratch.ds, kKeyBlock);
    score_gradient(attention, rows, position, block.first, block.count, scratch.lse, scratch.delta, scratch.p,
                   scratch.ds);
    matmul<true>(rows * group, width, kKeyBlock, scratch.ds, kKeyBlock, 1, scratch.k, width, scratch.dq,
                 width);
  }
  for (int32_t r = 0; r < rows; ++r)
    for (int32_t i = 0; i < group; ++i)
      store_head(scratch.dq + (static_cast<int64_t>(r) * group + i) * width, head_dim,
                 g.dq + (tile.begin + r) * g.ldq + (static_cast<int64_t>(kv_head) * group + i) * head_dim);
}

// dk and dv of rows [tile.begin, tile.end) of a segment: all queries from there to the end of the segment's
// subtree see them, unless a window ends before.
template <class T>
void key_gradient_tile(const Attention& attention, const QueryTile& tile, int32_t kv_head,
                       const Gradient<T>& g, void* memory) {
  const BackwardScratch scratch(attention, memory);
  const int32_t group = attention.group, head_dim = attention.shape.head_dim, width = padded_head(head_dim);
  const int64_t at = static_cast<int64_t>(kv_head) * head_dim;
  KeyBlock block;
  block.first = g.position[tile.begin];
  block.count = tile.end - tile.begin;
  for (int32_t j = 0; j < block.count; ++j) block.slots[j] = tile.begin + j;
  load_keys(block, g.k + at, g.ldk, head_dim, width, scratch.k);
  load_keys(block, g.v + at, g.ldv, head_dim, width, scratch.v);
  turn(scratch.k, width, scratch.k_turned);
  turn(scratch.v, width, scratch.v_turned);
  const size_t bytes = static_cast<size_t>(width) * kKeyBlock * sizeof(float);
  std::memset(scratch.dk, 0, bytes);
  std::memset(scratch.dv, 0, bytes);
  const int32_t last_key = block.first + block.count - 1;
  const int32_t end = attention.tree.query_end[attention.tree.subtree_end[tile.first] - 1];
  for (int32_t begin = tile.begin; begin < end;) {
    if (attention.first_visible(g.position[begin]) > last_key) {
      ++begin;
      continue;
    }
    const int32_t stop = std::min(end, begin + attention.tile_rows);
    const int32_t rows = stop - begin, queries = rows * group;
    load_queries(attention, g, kv_head, begin, stop, scratch.q, scratch.dout, scratch.lse, scratch.delta);
    matmul<false>(queries, kKeyBlock, head_dim, scratch.q, width, 1, scratch.k_turned, kKeyBlock, scratch.p,
                  kKeyBlock);
    matmul<false>(queries, kKeyBlock, head_dim, scratch.dout, width, 1, scratch.v_turned, kKeyBlock,
                  scratch.ds, kKeyBlock);
    score_gradient(attention, rows, g.position + begin, block.first, block.count, scratch.lse, scratch.delta,
                   scratch.p, scratch.ds);
    matmul<true>(block.count, width, queries, scratch.p, 1, kKeyBlock, scratch.dout, width, scratch.dv,
                 width);
    matmul<true>(block.count, width, queries, scratch.ds, 1, kKeyBlock, scratch.q, width, scratch.dk, width);
    begin = stop;
  }
  for (int32_t j = 0; j < block.count; ++j) {
    store_head(scratch.dk + static_cast<int64_t>(j) * width, head_dim, g.dk + (tile.begin + j) * g.ldk + at);
    store_head(scratch.dv + static_cast<int64_t>(j) * width, head_dim, g.dv + (tile.begin + j) * g.ldv + at);
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
