// TokenTree: sequences as a prefix tree, flattened in depth-first preorder. The engine's unit of work.
//
// A row is a node of the tree that goes through the model: row r holds token[r] at position[r] (its depth) and
// predicts the tokens that follow it. A label is a (row, target token) pair; at a fork, a row has one label per
// child. Sequences with the same (row, target) share the label. The last token of a sequence is only a target, not
// a row, unless a longer sequence contains it.
#ifndef SWIRL_ENGINE_TOKEN_TREE_H_
#define SWIRL_ENGINE_TOKEN_TREE_H_

#include <cstdint>
#include <vector>

#include "types.h"

namespace swirl {

struct TokenTree {
  std::vector<int32_t> token;     // [rows]
  std::vector<int32_t> position;  // [rows] distance from the root

  // Segments: maximal runs of rows without a fork, in preorder. Every row is in exactly one.
  std::vector<int32_t> segment_begin;   // [segments + 1] first row
  std::vector<int32_t> segment_parent;  // [segments] index of the parent segment, -1 for a root
  std::vector<int32_t> subtree_end;     // [segments] the segments below s are s + 1 … subtree_end[s] - 1

  // Labels, ordered by row. label_row lists the rows that have labels.
  std::vector<int32_t> label_row;     // [labelled rows], ascending
  std::vector<int32_t> label_offset;  // [labelled rows + 1] into target
  std::vector<int32_t> target;        // [labels]

  // sequence_label[i][j]: the label (index into target) of token action_start + j of sequences[order[i]].
  std::vector<std::vector<int32_t>> sequence_label;

  int64_t sequence_tokens = 0;  // sum of the sequences' lengths
  int64_t tree_tokens = 0;      // nodes of the prefix tree, including last tokens that are not rows

  int32_t rows() const { return static_cast<int32_t>(token.size()); }
  int32_t segments() const { return static_cast<int32_t>(segment_parent.size()); }
  int32_t segment_rows(int32_t s) const { return segment_begin[s + 1] - segment_begin[s]; }
  int32_t subtree_rows(int32_t s) const { return segment_begin[subtree_end[s]] - segment_begin[s]; }
  int32_t labels() const { return static_cast<int32_t>(target.size()); }
};

using Sequences = std::vector<const Sequence*>;

// Indices of the sequences, sorted lexicographically by tokens, so that sequences with common prefixes are
// neighbors.
std::vector<int32_t> tree_order(const Sequences&);

// The tree of sequences[order[i]]. share = false makes every sequence a tree of its own (a forest).
TokenTree build_tree(const Sequences&, const std::vector<int32_t>& order, bool share);

}  // namespace swirl

#endif  // SWIRL_ENGINE_TOKEN_TREE_H_
