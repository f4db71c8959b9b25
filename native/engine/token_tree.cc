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

// Rows of `next` that `previous`, its neighbor in tree order, already has.
int32_t shared_rows(const Sequence& previous, const Sequence& next) {
  return std::min({common_prefix(previous, next), rows_of(previous), rows_of(next)});
}

// Splits preorder rows into segments: a new one starts at a root, at a fork's child, after a leaf.
void find_segments(TokenTree& tree, const std::vector<int32_t>& parent) {
  const int32_t rows = tree.rows();
  std::vector<int32_t> children(rows, 0), segment_of(rows);
  for (int32_t r = 0; r < rows; ++r) {
    if (parent[r] >= 0) ++children[parent[r]];
  }
  for (int32_t r = 0; r < rows; ++r) {
    if (parent[r] < 0 || parent[r] != r - 1 || children[parent[r]] > 1) {
      tree.segment_begin.push_back(r);
      tree.segment_parent.push_back(parent[r] < 0 ? -1 : segment_of[parent[r]]);
    }
    segment_of[r] = tree.segments() - 1;
  }
  tree.segment_begin.push_back(rows);

  tree.subtree_end.resize(tree.segments());
  for (int32_t s = tree.segments() - 1; s >= 0; --s) {
    tree.subtree_end[s] = std::max(tree.subtree_end[s], s + 1);
    if (const int32_t p = tree.segment_parent[s]; p >= 0) {
      tree.subtree_end[p] = std::max(tree.subtree_end[p], tree.subtree_end[s]);
    }
  }
}

// Sorts labels, found in tree order, by row, and rewrites the sequences' references to them.
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

std::vector<int32_t> tree_order(const Sequences& sequences) {
  std::vector<int32_t> order(sequences.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return sequences[a]->tokens < sequences[b]->tokens; });
  return order;
}

TokenTree build_tree(const Sequences& sequences, const std::vector<int32_t>& order, bool share) {
  TokenTree tree;
  std::vector<int32_t> parent;        // [rows]
  std::vector<int32_t> path;          // row at each position of the current sequence
  std::vector<int32_t> last_label;    // [rows] a row's newest: in tree order equal targets are neighbors
  std::vector<int32_t> row_of_label;  // [labels], as found
  std::vector<int32_t> found_target;  // [labels], as found

  const Sequence* previous = nullptr;
  for (const int32_t index : order) {
    const Sequence& sequence = *sequences[index];
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

}  // namespace swirl
