// TokenTree: sequences as a prefix tree, flattened in depth-first preorder. The engine's unit of work.
//
// Row r holds token[r] at position[r] (its depth) and predicts the tokens that follow it. Only rows that a
// label needs are kept: a sequence's last token is a target, never a row, unless another sequence goes on
// from it. Labels are (row, target) pairs: at a fork one row predicts the first token of several children.
// Sequences that agree on a (row, target) share its label.
#ifndef SWIRL_ENGINE_TOKEN_TREE_H_
#define SWIRL_ENGINE_TOKEN_TREE_H_

#include <cstdint>
#include <vector>

#include "types.h"

namespace swirl {

struct TokenTree {
  std::vector<int32_t> token;     // [rows]
  std::vector<int32_t> position;  // [rows] distance from the root

  // Segments: the rows between two forks, in preorder. Every row is in one.
  std::vector<int32_t> segment_begin;   // [segments + 1] first row
  std::vector<int32_t> segment_parent;  // [segments] or -1
  std::vector<int32_t> subtree_end;     // [segments] the segments below s are s + 1 … subtree_end[s] - 1

  // Labels in order of row. label_row lists the rows that have any.
  std::vector<int32_t> label_row;     // [labelled rows], ascending
  std::vector<int32_t> label_offset;  // [labelled rows + 1] into target
  std::vector<int32_t> target;        // [labels]

  // sequence_label[i][j]: the label of token action_start + j of the i-th sequence in tree order.
  std::vector<std::vector<int32_t>> sequence_label;

  int64_t sequence_tokens = 0;  // sum of the sequences' lengths
  int64_t tree_tokens = 0;      // nodes of their prefix tree, last tokens included

  int32_t rows() const { return static_cast<int32_t>(token.size()); }
  int32_t segments() const { return static_cast<int32_t>(segment_parent.size()); }
  int32_t segment_rows(int32_t s) const { return segment_begin[s + 1] - segment_begin[s]; }
  int32_t subtree_rows(int32_t s) const { return segment_begin[subtree_end[s]] - segment_begin[s]; }
  int32_t labels() const { return static_cast<int32_t>(target.size()); }
};

using Sequences = std::vector<const Sequence*>;

// Indices of the sequences in lexicographic order of tokens: neighbors share the longest prefixes.
std::vector<int32_t> tree_order(const Sequences&);

// The tree of sequences[order[i]]. share = false makes every sequence a tree of its own (a forest).
TokenTree build_tree(const Sequences&, const std::vector<int32_t>& order, bool share);

}  // namespace swirl

#endif  // SWIRL_ENGINE_TOKEN_TREE_H_
