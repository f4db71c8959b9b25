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

// Rows of a tile: q, dout as lines [rows · group, units]; lse, delta [rows · group].
template <class T>
void load_queries(const Attention& attention, const Gradient<T>& g, int32_t kv_head, int32_t begin,
                  int32_t end, float* q, float* dout, float* lse, float* delta) {
  const int32_t group = attention.group, head_dim = attention.shape.head_dim;
  const int32_t units = padded_head(head_dim) / kDepth;
  int64_t m = 0;
  for (int32_t row = begin; row < end; ++row) {
    for (int32_t i = 0; i < group; ++i, ++m) {
      const int64_t head = static_cast<int64_t>(kv_head) * group + i;
      const T *q_line = g.q + row * g.ldq + head * head_dim,
              *dout_line = g.dout + row * g.lddo + head * head_dim;
      fetch(q_line + attention.tile_rows * g.ldq, head_dim);
      fetch(dout_line + attention.tile_rows * g.lddo, head_dim);
      load_line(q_line, head_dim, units, q + m * units);
      load_line(dout_line, head_dim, units, dout + m * units);
      lse[m] = g.lse[static_cast<int64_t>(row) * attention.shape.heads + head];
      delta[m] = g.delta[static_cast<int64_t>(row) * attention.shape.heads + head];
    }
  }
}

// p and dproduct [queries, kKeyBlock] from products q·k (in p) and dout·v (in ds).
static inline void score_gradient(const Attention& attention, const KeyBlock& block, int32_t rows,
                                  const int32_t* position, const float* lse, const float* delta, float* p,
                                  float* ds) {
  const V lane = lane_numbers();
  const int32_t columns = block.columns();
  for (int32_t row = 0; row < rows; ++row) {
    const float low = static_cast<float>(attention.first_visible(position[row]) - block.first);
    const float high = static_cast<float>(std::min(position[row] - block.first, block.count - 1));
    const bool partial = low > 0 || high < static_cast<float>(columns - 1);
    for (int32_t m = row * attention.group; m < (row + 1) * attention.group; ++m) {
      float* p_row = p + static_cast<int64_t>(m) * kKeyBlock;
      float* ds_row = ds + static_cast<int64_t>(m) * kKeyBlock;
      const V origin = splat(lse[m]), mean = splat(delta[m]);
      for (int32_t j = 0; j < columns; j += kLanes) {
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

// Adds [head_dim].
SWIRL_INLINE void add_head(const float* from, int32_t head_dim, float* to) {
  int32_t d = 0;
  for (; d + kLanes <= head_dim; d += kLanes) store(to + d, load(to + d) + load(from + d));
  if (d < head_dim)
    store_n(to + d, load_n(to + d, head_dim - d) + load_n(from + d, head_dim - d), head_dim - d);
}

// Scratch of one thread, for both passes.
struct BackwardScratch {
  float *q, *dout;              // lines [tile_queries, units]
  float *q_stack, *dout_stack;  // the same, stacked
  float* dq;                    // [tile_queries, width]
  float *p, *ds;                // [tile_queries, kKeyBlock]
  float *k, *v;                 // a key block in layout "lines",
  float *k_turned, *v_turned;   // in layout "turned",
  float* k_stack;               // in layout "stacked"
  float *dk, *dv;               // [kKeyBlock, width]
  float *lse, *delta;           // [tile_queries]

  static size_t bytes(const Attention& attention) {
    const size_t queries = static_cast<size_t>(round_up(attention.tile_queries(), 16));
    const size_t width = static_cast<size_t>(padded_head(attention.shape.head_dim));
    return (5 * queries * width + 2 * queries * kKeyBlock + 7 * width * kKeyBlock + 2 * queries) *
           sizeof(float);
  }
  BackwardScratch(const Attention& attention, void* memory) {
    const int64_t queries = round_up(attention.tile_queries(), 16),
                  width = padded_head(attention.shape.head_dim);
    float* place = static_cast<float*>(memory);
    const auto next = [&place](int64_t count) {
      float* out = place;
      place += count;
      return out;
    };
    for (float** at : {&q, &dout, &q_stack, &dout_stack, &dq}) *at = next(queries * width);
    for (float** at : {&p, &ds}) *at = next(queries * kKeyBlock);
    for (float** at : {&k, &v, &k_turned, &v_turned, &k_stack, &dk, &dv}) *at = next(width * kKeyBlock);
    for (float** at : {&lse, &delta}) *at = next(queries);
  }
};

// Products q·k (into p) and dout·v (into ds) of a tile's queries with a key block.
static inline void score_products(const Attention& attention, int32_t queries, int32_t columns,
                                  const BackwardScratch& at) {
  const int32_t head_dim = attention.shape.head_dim, line = padded_head(head_dim) / kDepth;
  const int32_t units = (head_dim + kDepth - 1) / kDepth;
  matmul<false>(queries, columns, units, at.q, line, 1, at.k_turned, kKeyBlock, at.p, kKeyBlock);
  matmul<false>(queries, columns, units, at.dout, line, 1, at.v_turned, kKeyBlock, at.ds, kKeyBlock);
}

template <class T>
void load_key_block(const Attention& attention, const KeyBlock& block, int32_t kv_head, const Gradient<T>& g,
                    const BackwardScratch& at) {
  const int32_t head_dim = attention.shape.head_dim, units = padded_head(head_dim) / kDepth;
  const int64_t head = static_cast<int64_t>(kv_head) * head_dim;
  load_keys(block, g.k + head, g.ldk, head_dim, units, at.k);
  load_keys(block, g.v + head, g.ldv, head_dim, units, at.v);
  turn(at.k, block.columns(), units, at.k_turned);
  turn(at.v, block.columns(), units, at.v_turned);
}

// dq of one query tile (of one segment).
template <class T>
void query_gradient_tile(const Attention& attention, const QueryTile& tile, int32_t kv_head,
                         const Gradient<T>& g, void* memory) {
  const BackwardScratch at(attention, memory);
  const int32_t group = attention.group, head_dim = attention.shape.head_dim, width = padded_head(head_dim);
  const int32_t rows = tile.end - tile.begin, queries = rows * group;
  load_queries(attention, g, kv_head, tile.begin, tile.end, at.q, at.dout, at.lse, at.delta);
  std::memset(at.dq, 0, static_cast<size_t>(queries) * static_cast<size_t>(width) * sizeof(float));
  const int32_t* position = attention.tree.position + tile.begin;
  PathWalk walk(attention.tree, tile.first);
  KeyBlock block;
  for (int32_t first = attention.first_visible(position[0]) / kKeyBlock * kKeyBlock;
       first <= position[rows - 1]; first += kKeyBlock) {
    walk.block(first, &block);
    load_key_block(attention, block, kv_head, g, at);
    score_products(attention, queries, block.columns(), at);
    score_gradient(attention, block, rows, position, at.lse, at.delta, at.p, at.ds);
    for (int32_t m = 0; m < queries; ++m)
      scores_to_line(at.ds + static_cast<int64_t>(m) * kKeyBlock, block.columns());
    matmul<true>(queries, width, block.columns() / kDepth, at.ds, kKeyBlock, 1,
                 stack(at.k, block.columns(), width / kDepth, at.k_stack), width, at.dq, width);
  }
  for (int32_t r = 0; r < rows; ++r)
    for (int32_t i = 0; i < group; ++i)
      store_head(at.dq + (static_cast<int64_t>(r) * group + i) * width, head_dim,
                 g.dq + (tile.begin + r) * g.ldq + (static_cast<int64_t>(kv_head) * group + i) * head_dim);
}

// dk and dv of one key tile, summed over the rows that see it, in order.
template <class T>
void key_gradient_tile(const Attention& attention, const KeyTile& tile, int32_t kv_head, const Gradient<T>& g,
                       void* memory) {
  const BackwardScratch at(attention, memory);
  const int32_t group = attention.group, head_dim = attention.shape.head_dim, width = padded_head(head_dim);
  const int32_t* position = attention.tree.position;
  KeyBlock block;
  block.first = tile.position;
  block.count = tile.end - tile.begin;
  for (int32_t j = 0; j < block.count; ++j) block.slots[j] = tile.begin + j;
  load_key_block(attention, block, kv_head, g, at);
  const size_t bytes = static_cast<size_t>(width) * kKeyBlock * sizeof(float);
  std::memset(at.dk, 0, bytes);
  std::memset(at.dv, 0, bytes);
  const int32_t last_key = block.first + block.count - 1;
  for (int32_t begin = tile.query_begin; begin < tile.query_end;) {
    if (attention.first_visible(position[begin]) > last_key) {
      ++begin;
      continue;
    }
    const int32_t stop = std::min(tile.query_end, begin + attention.tile_rows);
    const int32_t rows = stop - begin, queries = rows * group, units = (queries + kDepth - 1) / kDepth;
    load_queries(attention, g, kv_head, begin, stop, at.q, at.dout, at.lse, at.delta);
    score_products(attention, queries, block.columns(), at);
    score_gradient(attention, block, rows, position + begin, at.lse, at.delta, at.p, at.ds);
    scores_to_stack(at.p, queries, block.columns());
    scores_to_stack(at.ds, queries, block.columns());
    matmul<true>(block.count, width, units, at.p, 1, kDepth * kKeyBlock,
                 stack(at.dout, queries, width / kDepth, at.dout_stack), width, at.dv, width);
    matmul<true>(block.count, width, units, at.ds, 1, kDepth * kKeyBlock,
                 stack(at.q, queries, width / kDepth, at.q_stack), width, at.dk, width);
    begin = stop;
  }
  const int64_t line = static_cast<int64_t>(attention.shape.kv_heads) * head_dim;
  const int64_t head = static_cast<int64_t>(kv_head) * head_dim;
  for (int32_t j = 0; j < block.count; ++j) {
    const int64_t slot = (tile.begin + j) * line + head;
    add_head(at.dk + static_cast<int64_t>(j) * width, head_dim, g.dk + slot);
    add_head(at.dv + static_cast<int64_t>(j) * width, head_dim, g.dv + slot);
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
