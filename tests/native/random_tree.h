// Random token trees for the attention tests, and attention over them in float64 as the definition says.
#ifndef SWIRL_TESTS_RANDOM_TREE_H_
#define SWIRL_TESTS_RANDOM_TREE_H_

#include "check.h"

namespace check {

// Owns what a swirl_tree points at.
struct Tree {
  std::vector<int32_t> position, query_begin, query_end, path_offset{0}, path_begin, path_end, path_length;
  std::vector<int32_t> key_begin, key_end, key_position, key_query_begin, key_query_end;
  int32_t rows = 0, slots = 0;

  swirl_tree view() const {
    swirl_tree tree = {};
    tree.rows = rows;
    tree.segments = int32_t(query_begin.size());
    for (int32_t s = 0; s < tree.segments; ++s) {
      const int64_t n = query_end[s] - query_begin[s];
      tree.longest_segment = std::max(tree.longest_segment, int32_t(n));
      tree.longest_path = std::max(tree.longest_path, path_length[s]);
      tree.pairs += n * path_length[s] - n * (n - 1) / 2;
    }
    tree.position = position.data();
    tree.query_begin = query_begin.data();
    tree.query_end = query_end.data();
    tree.path_offset = path_offset.data();
    tree.path_begin = path_begin.data();
    tree.path_end = path_end.data();
    tree.path_length = path_length.data();
    tree.key_runs = int32_t(key_begin.size());
    for (int32_t i = 0; i < tree.key_runs; ++i)
      tree.longest_key_run = std::max(tree.longest_key_run, key_end[i] - key_begin[i]);
    tree.key_begin = key_begin.data();
    tree.key_end = key_end.data();
    tree.key_position = key_position.data();
    tree.key_query_begin = key_query_begin.data();
    tree.key_query_end = key_query_end.data();
    return tree;
  }
  // The slots row `row` of segment s sees, by path position.
  std::vector<int32_t> path(size_t s) const {
    std::vector<int32_t> out;
    for (int32_t i = path_offset[s]; i < path_offset[s + 1]; ++i)
      for (int32_t slot = path_begin[i]; slot < path_end[i]; ++slot) out.push_back(slot);
    return out;
  }
};

// Slots in preorder. Segment sizes are drawn from `sizes` (0 = an empty branch). Rows are slots, except that
// segments less deep than `trunk` have slots only: their rows were computed before, and their keys are still
// seen.
inline void grow(Tree& tree, Rng& rng, const std::vector<std::pair<int32_t, int32_t>>& above, int depth,
                 int fork, const std::vector<int>& sizes, int trunk) {
  const int n = sizes[size_t(integer(rng, 0, int(sizes.size()) - 1))];
  auto path = above;
  path.push_back({tree.slots, tree.slots + n});
  tree.slots += n;
  int32_t length = 0;
  for (const auto& [begin, end] : path) length += end - begin;
  const size_t run = tree.key_begin.size();
  tree.key_begin.push_back(path.back().first);
  tree.key_end.push_back(path.back().second);
  tree.key_position.push_back(length - n);
  tree.key_query_begin.push_back(tree.rows);
  tree.key_query_end.push_back(0);
  if (trunk <= 0) {
    tree.query_begin.push_back(tree.rows);
    tree.rows += n;
    tree.query_end.push_back(tree.rows);
    for (int32_t i = 0; i < n; ++i) tree.position.push_back(length - n + i);
    for (const auto& [begin, end] : path) {
      tree.path_begin.push_back(begin);
      tree.path_end.push_back(end);
    }
    tree.path_offset.push_back(int32_t(tree.path_begin.size()));
    tree.path_length.push_back(length);
  }
  if (depth > 1) {
    const int children = integer(rng, depth > 2 ? 2 : 1, fork);
    for (int i = 0; i < children; ++i) grow(tree, rng, path, depth - 1, fork, sizes, trunk - 1);
  }
  tree.key_query_end[run] = tree.rows;
}

inline Tree random_tree(Rng& rng, int depth, int fork, const std::vector<int>& sizes, int trunk = 0) {
  Tree tree;
  do {
    tree = Tree();
    grow(tree, rng, {}, depth, fork, sizes, trunk);
  } while (tree.rows == 0);
  return tree;
}

struct Strides {
  int32_t q, k, v, o;
};

// out [rows, heads · head_dim] dense and lse [rows, heads], from float64 views of q, k, v with strides.
struct ReferenceAttention {
  const swirl_attention_shape& shape;
  const Tree& tree;
  Strides ld;

  double score(double product) const {
    double s = product * shape.scale;
    if (shape.softcap > 0) s = shape.softcap * std::tanh(s / shape.softcap);
    return s;
  }

  // visit(row, head, kv_head, keys seen: slots, probabilities, lse)
  template <class Visit>
  void each(const Reference& q, const Reference& k, const Visit& visit) const {
    for (size_t s = 0; s < tree.query_begin.size(); ++s) {
      const std::vector<int32_t> path = tree.path(s);
      const int32_t n = tree.query_end[s] - tree.query_begin[s], length = int32_t(path.size());
      for (int32_t i = 0; i < n; ++i) {
        const int32_t position = length - n + i, row = tree.query_begin[s] + i;
        const int32_t first = shape.window > 0 ? std::max(0, position - shape.window + 1) : 0;
        const std::vector<int32_t> seen(path.begin() + first, path.begin() + position + 1);
        for (int32_t head = 0; head < shape.heads; ++head) {
          const int32_t kv = head / (shape.heads / shape.kv_heads);
          Reference p(seen.size());
          double top = -1e300, total = 0;
          for (size_t j = 0; j < seen.size(); ++j) {
            double product = 0;
            for (int32_t d = 0; d < shape.head_dim; ++d)
              product += q[size_t(row) * ld.q + head * shape.head_dim + d] *
                         k[size_t(seen[j]) * ld.k + kv * shape.head_dim + d];
            p[j] = score(product);
            top = std::max(top, p[j]);
          }
          for (const double x : p) total += std::exp(x - top);
          const double lse = top + std::log(total);
          visit(row, head, kv, seen, p, lse);
        }
      }
    }
  }

  void forward(const Reference& q, const Reference& k, const Reference& v, Reference* out,
               Reference* lse) const {
    out->assign(size_t(tree.rows) * shape.heads * shape.head_dim, 0);
    lse->assign(size_t(tree.rows) * shape.heads, 0);
    each(q, k,
         [&](int32_t row, int32_t head, int32_t kv, const std::vector<int32_t>& seen, const Reference& score,
             double l) {
           (*lse)[size_t(row) * shape.heads + head] = l;
           for (size_t j = 0; j < seen.size(); ++j)
             for (int32_t d = 0; d < shape.head_dim; ++d)
               (*out)[(size_t(row) * shape.heads + head) * shape.head_dim + d] +=
                   std::exp(score[j] - l) * v[size_t(seen[j]) * ld.v + kv * shape.head_dim + d];
         });
  }

  // Dense dout [rows, heads · head_dim]; dq with the stride of q, dk and dv dense [slots, kv_heads · head_dim].
  void backward(const Reference& q, const Reference& k, const Reference& v, const Reference& dout,
                Reference* dq, Reference* dk, Reference* dv) const {
    dq->assign(q.size(), 0);
    const int32_t dim = shape.head_dim, narrow = shape.kv_heads * dim;
    dk->assign(size_t(tree.slots) * narrow, 0);
    dv->assign(size_t(tree.slots) * narrow, 0);
    each(q, k,
         [&](int32_t row, int32_t head, int32_t kv, const std::vector<int32_t>& seen, const Reference& score,
             double l) {
           const double* g = &dout[(size_t(row) * shape.heads + head) * dim];
           Reference dp(seen.size());
           double mean = 0;
           for (size_t j = 0; j < seen.size(); ++j) {
             const double p = std::exp(score[j] - l);
             for (int32_t d = 0; d < dim; ++d) {
               dp[j] += g[d] * v[size_t(seen[j]) * ld.v + kv * dim + d];
               (*dv)[size_t(seen[j]) * narrow + kv * dim + d] += p * g[d];
             }
             mean += p * dp[j];
           }
           for (size_t j = 0; j < seen.size(); ++j) {
             double ds = std::exp(score[j] - l) * (dp[j] - mean) * shape.scale;
             if (shape.softcap > 0) ds *= 1 - (score[j] / shape.softcap) * (score[j] / shape.softcap);
             for (int32_t d = 0; d < dim; ++d) {
               (*dq)[size_t(row) * ld.q + head * dim + d] += ds * k[size_t(seen[j]) * ld.k + kv * dim + d];
               (*dk)[size_t(seen[j]) * narrow + kv * dim + d] += ds * q[size_t(row) * ld.q + head * dim + d];
             }
           }
         });
  }
};

}  // namespace check

#endif  // SWIRL_TESTS_RANDOM_TREE_H_
