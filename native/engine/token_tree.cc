#include "token_tree.h"

#include <algorithm>
#include <numeric>

namespace swirl {
namespace {

int32_t common_prefix(const Sequence& a, const Sequence& b) {
  const auto n = std::min(a.tokens.size(), b.tokens.size());
  size_t i = 0;
  while (i < n && a.tokens[i] == b.tokens[i]) ++i;
  return static_cast<int32_t>(i);
}

int32_t rows_of(const Sequence& s) { return static_cast<int32_t>(s.tokens.size()) - 1; }

// Rows of `next` that `previous`, its neighbour in tree order, already has.
int32_t shared_rows(const Sequence& previous, const Sequence& next) {
  return std::min({common_prefix(previous, next), rows_of(previous), rows_of(next)});
}

// Splits preorder rows into segments and lists each segment's path from the root.
void find_segments(TokenTree& tree, const std::vector<int32_t>& parent) {
  const int32_t rows = tree.rows();
  std::vector<int32_t> children(rows, 0);
  for (int32_t r = 0; r < rows; ++r) {
    if (parent[r] >= 0) ++children[parent[r]];
  }
  std::vector<int32_t> segment_of(rows);
  std::vector<int32_t> parent_segment;
  for (int32_t r = 0; r < rows; ++r) {
    const bool starts = parent[r] < 0 || parent[r] != r - 1 || children[parent[r]] > 1;
    if (starts) {
      tree.segment_begin.push_back(r);
      tree.segment_end.push_back(r);
      parent_segment.push_back(parent[r] < 0 ? -1 : segment_of[parent[r]]);
    }
    tree.segment_end.back() = r + 1;
    segment_of[r] = tree.segments() - 1;
  }

  const int32_t segments = tree.segments();
  tree.path_offset.assign(1, 0);
  for (int32_t s = 0; s < segments; ++s) {
    if (const int32_t p = parent_segment[s]; p >= 0) {
      for (int32_t i = tree.path_offset[p]; i < tree.path_offset[p + 1]; ++i) {
        tree.path_begin.push_back(tree.path_begin[i]);
        tree.path_end.push_back(tree.path_end[i]);
      }
    }
    tree.path_begin.push_back(tree.segment_begin[s]);
    tree.path_end.push_back(tree.segment_end[s]);
    tree.path_offset.push_back(static_cast<int32_t>(tree.path_begin.size()));
    tree.path_length.push_back(tree.position[tree.segment_end[s] - 1] + 1);
  }

  tree.subtree_end.resize(segments);
  for (int32_t s = segments - 1; s >= 0; --s) {
    tree.subtree_end[s] = std::max(tree.subtree_end[s], s + 1);
    if (const int32_t p = parent_segment[s]; p >= 0) {
      tree.subtree_end[p] = std::max(tree.subtree_end[p], tree.subtree_end[s]);
    }
  }
}

// Puts labels, found in tree order, in order of row, and rewrites the sequences' references to them.
void sort_labels(TokenTree& tree, const std::vector<int32_t>& row_of_label,
                 const std::vector<int32_t>& found_target) {
  const size_t labels = row_of_label.size();
  std::vector<int32_t> by_row(labels);
  std::iota(by_row.begin(), by_row.end(), 0);
  std::stable_sort(by_row.begin(), by_row.end(),
                   [&](int32_t a, int32_t b) { return row_of_label[a] < row_of_label[b]; });
  std::vector<int32_t> place(labels);
  tree.target.resize(labels);
  for (size_t i = 0; i < labels; ++i) {
    const int32_t label = by_row[i];
    place[label] = static_cast<int32_t>(i);
    tree.target[i] = found_target[label];
    if (tree.label_row.empty() || tree.label_row.back() != row_of_label[label]) {
      tree.label_row.push_back(row_of_label[label]);
      tree.label_offset.push_back(static_cast<int32_t>(i));
    }
  }
  tree.label_offset.push_back(static_cast<int32_t>(labels));
  for (auto& references : tree.sequence_label) {
    for (auto& label : references) label = place[label];
  }
}

}  // namespace

std::vector<int32_t> tree_order(const std::vector<Sequence>& sequences) {
  std::vector<int32_t> order(sequences.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return sequences[a].tokens < sequences[b].tokens; });
  return order;
}

TokenTree build_tree(const std::vector<Sequence>& sequences, const std::vector<int32_t>& order, size_t begin,
                     size_t end, bool share) {
  TokenTree tree;
  std::vector<int32_t> parent;  // [rows]
  std::vector<int32_t> path;    // row at each position of the sequence in hand
  std::vector<int32_t>
      last_label;  // [rows] the newest label of a row: in tree order equal targets are neighbours
  std::vector<int32_t> row_of_label;  // [labels], as found
  std::vector<int32_t> found_target;  // [labels], as found

  const Sequence* previous = nullptr;
  for (size_t i = begin; i < end; ++i) {
    const Sequence& sequence = sequences[order[i]];
    const auto length = static_cast<int32_t>(sequence.tokens.size());
    const int32_t kept = share && previous ? shared_rows(*previous, sequence) : 0;
    path.resize(kept);
    for (int32_t t = kept; t < length - 1; ++t) {
      tree.token.push_back(sequence.tokens[t]);
      tree.position.push_back(t);
      parent.push_back(t == 0 ? -1 : path[t - 1]);
      last_label.push_back(-1);
      path.push_back(tree.rows() - 1);
    }
    auto& references = tree.sequence_label.emplace_back();
    for (int32_t t = sequence.action_start; t < length; ++t) {
      const int32_t row = path[t - 1];
      int32_t& label = last_label[row];
      if (label < 0 || found_target[label] != sequence.tokens[t]) {
        label = static_cast<int32_t>(row_of_label.size());
        row_of_label.push_back(row);
        found_target.push_back(sequence.tokens[t]);
      }
      references.push_back(label);
    }
    tree.sequence_tokens += length;
    tree.tree_tokens += length - (share && previous ? common_prefix(*previous, sequence) : 0);
    previous = &sequence;
  }
  find_segments(tree, parent);
  sort_labels(tree, row_of_label, found_target);
  return tree;
}

std::vector<size_t> cut_at_subtrees(const std::vector<Sequence>& sequences, const std::vector<int32_t>& order,
                                    bool share, int64_t max_rows) {
  std::vector<size_t> ends;
  int64_t rows = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const Sequence& sequence = sequences[order[i]];
    const bool first = i == 0 || (!ends.empty() && ends.back() == i);
    const int64_t added =
        rows_of(sequence) - (share && !first ? shared_rows(sequences[order[i - 1]], sequence) : 0);
    if (!first && rows + added > max_rows) {
      ends.push_back(i);
      rows = rows_of(sequence);
    } else {
      rows = first ? rows_of(sequence) : rows + added;
    }
  }
  if (!order.empty()) ends.push_back(order.size());
  return ends;
}

}  // namespace swirl
