// The trees that bench/attention.cc runs: a question's tree in training, and a decode step. Owns what a swirl_tree
// points at, on the device.
#ifndef SWIRL_BENCH_ATTENTION_TREE_H_
#define SWIRL_BENCH_ATTENTION_TREE_H_

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "bench/measure.h"

namespace bench {

// A prompt of P tokens, N trajectories of K states; a state has G actions of `a` tokens, and the one that the
// trajectory continues with is followed by an observation of `o`.
struct TreeShape {
  int P = 160, a = 48, o = 32, N = 2, K = 4, G = 1;
};

class AttentionTree {
 public:
  int32_t rows = 0, slots = 0;

  static AttentionTree training(const TreeShape& s) {
    AttentionTree tree;
    Path path;
    const size_t root = tree.add(&path, s.P);
    for (int i = 0; i < s.N; ++i) tree.trajectory(path, s, s.K);
    tree.close(root);
    return tree;
  }

  // One new row for each of `samples` continuations of each of `states` prefixes: paths of `shared` and `own`
  // slots, the row's own among them.
  static AttentionTree decode(int states, int samples, int shared, int own) {
    AttentionTree tree;
    tree.slots = states * (shared + samples * own);
    for (int state = 0; state < states; ++state) {
      const int32_t prefix = state * (shared + samples * own);
      for (int i = 0; i < samples; ++i) {
        const int32_t mine = prefix + shared + i * own;
        Path path{{prefix, prefix + shared}};
        if (i == 0)
          path.back().second += own;  // its slots follow the prefix
        else
          path.push_back({mine, mine + own});
        tree.segment(path, 1, shared + own);
      }
    }
    return tree;
  }

  // The arrays go up once; the view lives as long as this does.
  swirl_tree on(const Device& device) {
    swirl_tree view = {};
    view.rows = rows;
    view.segments = int32_t(begin_.size());
    view.pairs = pairs_;
    for (size_t i = 0; i < begin_.size(); ++i) {
      view.longest_segment = std::max(view.longest_segment, end_[i] - begin_[i]);
      view.longest_path = std::max(view.longest_path, length_[i]);
    }
    view.key_runs = int32_t(key_begin_.size());
    for (size_t i = 0; i < key_begin_.size(); ++i)
      view.longest_key_run = std::max(view.longest_key_run, key_end_[i] - key_begin_[i]);
    const auto up = [&](const std::vector<int32_t>& values) -> const int32_t* {
      if (values.empty()) return nullptr;
      there_.push_back(std::make_unique<Ints>(device, values));
      return there_.back()->data();
    };
    view.position = up(position_);
    view.query_begin = up(begin_);
    view.query_end = up(end_);
    view.path_offset = up(offset_);
    view.path_begin = up(from_);
    view.path_end = up(to_);
    view.path_length = up(length_);
    view.key_begin = up(key_begin_);
    view.key_end = up(key_end_);
    view.key_position = up(key_position_);
    view.key_query_begin = up(key_query_begin_);
    view.key_query_end = up(key_query_end_);
    return view;
  }

 private:
  using Path = std::vector<std::pair<int32_t, int32_t>>;  // intervals of slots, from the root

  void segment(const Path& path, int n, int32_t length) {
    begin_.push_back(rows);
    for (int i = 0; i < n; ++i) position_.push_back(length - n + i);
    rows += n;
    end_.push_back(rows);
    for (const auto& [from, to] : path) {
      from_.push_back(from);
      to_.push_back(to);
    }
    offset_.push_back(int32_t(from_.size()));
    length_.push_back(length);
    pairs_ += int64_t(n) * length - int64_t(n) * (n - 1) / 2;
  }

  // n rows with a slot each, under `path`, which grows by them. Returns the key run's index.
  size_t add(Path* path, int n) {
    const int32_t first = slots;
    slots += n;
    if (!path->empty() && path->back().second == first)
      path->back().second = slots;
    else
      path->push_back({first, slots});
    int32_t length = 0;
    for (const auto& [from, to] : *path) length += to - from;
    key_begin_.push_back(first);
    key_end_.push_back(slots);
    key_position_.push_back(length - n);
    key_query_begin_.push_back(rows);
    key_query_end_.push_back(0);
    segment(*path, n, length);
    return key_begin_.size() - 1;
  }
  void close(size_t run) { key_query_end_[run] = rows; }

  void trajectory(Path path, const TreeShape& s, int states) {
    for (int i = 1; i < s.G; ++i) {
      Path branch = path;
      close(add(&branch, s.a));
    }
    const size_t run = add(&path, s.a + s.o);
    if (states > 1) trajectory(path, s, states - 1);
    close(run);
  }

  std::vector<int32_t> position_, begin_, end_, offset_{0}, from_, to_, length_;
  std::vector<int32_t> key_begin_, key_end_, key_position_, key_query_begin_, key_query_end_;
  int64_t pairs_ = 0;
  std::vector<std::unique_ptr<Ints>> there_;
};

}  // namespace bench

#endif  // SWIRL_BENCH_ATTENTION_TREE_H_
