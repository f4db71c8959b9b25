#include "schedule.h"

#include <algorithm>

namespace swirl {
namespace {

class Scheduler {
 public:
  Scheduler(const TokenTree& tree, int32_t stack_limit, int32_t batch_limit)
      : tree_(tree), stack_limit_(stack_limit), batch_limit_(std::max(1, batch_limit)) {
    out_.segment_slot.resize(tree.segments());
    height_.resize(tree.segments());
    std::vector<int32_t> roots;
    for (int32_t s = tree.segments() - 1; s >= 0; --s) {
      height_[s] += tree.segment_rows(s);
      if (const int32_t p = tree.segment_parent[s]; p >= 0) height_[p] = std::max(height_[p], height_[s]);
    }
    for (int32_t s = 0; s < tree.segments(); s = tree.subtree_end[s]) roots.push_back(s);
    walk(roots, 0);
  }
  Schedule take() { return std::move(out_); }

 private:
  // Runs whole subtrees on a stack of `base` rows. base plus the highest subtree is within the limit.
  void walk(const std::vector<int32_t>& subtrees, int32_t base) {
    const int32_t limit = std::min(batch_limit_, stack_limit_ - base);
    std::vector<int32_t> small;
    for (const int32_t s : subtrees) {
      if (tree_.subtree_rows(s) <= limit) {
        small.push_back(s);
      } else {
        walk_large(s, base, limit);
      }
    }
    for (std::vector<int32_t>& together : pack(small, limit)) {
      std::vector<int32_t> segments;
      std::sort(together.begin(), together.end());
      for (const int32_t root : together) {
        for (int32_t s = root; s < tree_.subtree_end[root]; ++s) segments.push_back(s);
      }
      step(push(std::move(segments), base), true);
    }
  }

  void walk_large(int32_t root, int32_t base, int32_t limit) {
    std::vector<int32_t> trunk, hanging;
    int32_t trunk_rows = 0, highest = 0;
    for (int32_t s = root; s < tree_.subtree_end[root];) {
      if (tree_.subtree_rows(s) > limit) {
        trunk.push_back(s);
        trunk_rows += tree_.segment_rows(s);
        ++s;
      } else {
        hanging.push_back(s);
        highest = std::max(highest, height_[s]);
        s = tree_.subtree_end[s];
      }
    }
    if (trunk_rows > batch_limit_ || base + trunk_rows + highest > stack_limit_) {
      // A trunk with many branches: one of its paths at a time.
      trunk = {root};
      trunk_rows = tree_.segment_rows(root);
      hanging.clear();
      for (int32_t s = root + 1; s < tree_.subtree_end[root]; s = tree_.subtree_end[s]) hanging.push_back(s);
    }
    const int32_t batch = push(std::move(trunk), base);
    walk(hanging, base + trunk_rows);
    step(batch, true);
  }

  // Distributes subtrees of at most `limit` rows over few batches of even size: the largest first, each to the
  // emptiest batch.
  std::vector<std::vector<int32_t>> pack(std::vector<int32_t> subtrees, int32_t limit) const {
    if (subtrees.empty()) return {};
    std::stable_sort(subtrees.begin(), subtrees.end(),
                     [&](int32_t a, int32_t b) { return tree_.subtree_rows(a) > tree_.subtree_rows(b); });
    int64_t rows = 0;
    for (const int32_t s : subtrees) rows += tree_.subtree_rows(s);
    for (size_t count = (rows + limit - 1) / limit;; ++count) {
      std::vector<std::vector<int32_t>> batches(count);
      std::vector<std::pair<int64_t, size_t>> heap;  // rows so far, batch; the emptiest on top
      for (size_t i = 0; i < count; ++i) heap.push_back({0, i});
      bool fits = true;
      for (const int32_t s : subtrees) {
        std::pop_heap(heap.begin(), heap.end(), std::greater<>());
        heap.back().first += tree_.subtree_rows(s);
        fits = fits && heap.back().first <= limit;
        batches[heap.back().second].push_back(s);
        std::push_heap(heap.begin(), heap.end(), std::greater<>());
      }
      if (fits) return batches;
    }
  }

  // Adds a batch with its forward step; returns its index.
  int32_t push(std::vector<int32_t> segments, int32_t base) {
    Batch batch;
    batch.base = base;
    for (const int32_t s : segments) {
      out_.segment_slot[s] = base + batch.rows;
      batch.rows += tree_.segment_rows(s);
    }
    batch.segments = std::move(segments);
    out_.stack_rows = std::max(out_.stack_rows, base + batch.rows);
    out_.batch_rows = std::max(out_.batch_rows, batch.rows);
    out_.nested = out_.nested || base > 0;
    out_.batches.push_back(std::move(batch));
    const auto index = static_cast<int32_t>(out_.batches.size()) - 1;
    step(index, false);
    return index;
  }
  void step(int32_t batch, bool backward) { out_.steps.push_back({batch, backward}); }

  const TokenTree& tree_;
  const int32_t stack_limit_, batch_limit_;
  std::vector<int32_t> height_;  // [segments] rows of the longest path down from its first row
  Schedule out_;
};

// Appends [begin, end), joined to the last interval if it follows it directly.
void append(std::vector<Interval>& path, int32_t begin, int32_t end) {
  if (!path.empty() && path.back().end == begin) {
    path.back().end = end;
  } else {
    path.push_back({begin, end});
  }
}

}  // namespace

Schedule schedule(const TokenTree& tree, int32_t stack_limit, int32_t batch_limit) {
  return Scheduler(tree, stack_limit, batch_limit).take();
}

BatchLists batch_lists(const TokenTree& tree, const Schedule& schedule, const Batch& batch) {
  BatchLists out;
  out.base = batch.base;
  std::vector<int32_t> row_of;  // [batch segments + 1] first row
  std::vector<int32_t> seen;    // segments whose keys the batch sees
  std::vector<bool> is_seen(tree.segments());
  for (const int32_t s : batch.segments) {
    const int32_t begin = tree.segment_begin[s], end = tree.segment_begin[s + 1], row = out.rows();
    row_of.push_back(row);
    out.token.insert(out.token.end(), tree.token.begin() + begin, tree.token.begin() + end);
    out.position.insert(out.position.end(), tree.position.begin() + begin, tree.position.begin() + end);

    std::vector<int32_t> above;
    for (int32_t p = s; p >= 0; p = tree.segment_parent[p]) {
      above.push_back(p);
      if (!is_seen[p]) seen.push_back(p);
      is_seen[p] = true;
    }
    std::vector<Interval> path;
    for (auto p = above.rbegin(); p != above.rend(); ++p) {
      append(path, schedule.segment_slot[*p], schedule.segment_slot[*p] + tree.segment_rows(*p));
    }
    out.add_segment(row, out.rows(), path);

    const auto first = std::lower_bound(tree.label_row.begin(), tree.label_row.end(), begin);
    const auto last = std::lower_bound(first, tree.label_row.end(), end);
    for (auto i = first; i != last; ++i) {
      const auto at = static_cast<int32_t>(i - tree.label_row.begin());
      out.label_row.push_back(row + *i - begin);
      out.label_offset.push_back(out.labels());
      out.tree_row.push_back(at);
      for (int32_t l = tree.label_offset[at]; l < tree.label_offset[at + 1]; ++l) {
        out.label.push_back(l);
        out.target.push_back(tree.target[l]);
      }
    }
  }
  row_of.push_back(out.rows());
  out.label_offset.push_back(out.labels());

  std::sort(seen.begin(), seen.end());
  const auto row_at = [&](int32_t segment) {  // first row of the batch at or after a segment
    return row_of[std::lower_bound(batch.segments.begin(), batch.segments.end(), segment) -
                  batch.segments.begin()];
  };
  for (const int32_t s : seen) {
    const int32_t begin = schedule.segment_slot[s], end = begin + tree.segment_rows(s);
    const int32_t position = tree.position[tree.segment_begin[s]];
    const int32_t first = row_at(s), last = row_at(tree.subtree_end[s]);
    const bool goes_on = !out.key_end.empty() && out.key_end.back() == begin &&
                         first == out.key_query_begin.back() && last == out.key_query_end.back() &&
                         out.key_position.back() + begin - out.key_begin.back() == position;
    if (goes_on) {
      out.key_end.back() = end;
      continue;
    }
    out.key_begin.push_back(begin);
    out.key_end.push_back(end);
    out.key_position.push_back(position);
    out.key_query_begin.push_back(first);
    out.key_query_end.push_back(last);
  }
  return out;
}

}  // namespace swirl
