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

#include "engine.h"
#include "rows.h"

namespace swirl {

struct TokenTree : RowLists {
  // Labels in order of row. label_row lists the rows that have any.
  std::vector<int32_t> label_row;     // [labelled rows], ascending
  std::vector<int32_t> label_offset;  // [labelled rows + 1] into target
  std::vector<int32_t> target;        // [labels]

  // sequence_label[i][j]: the label of token action_start + j of the i-th sequence given.
  std::vector<std::vector<int32_t>> sequence_label;

  int64_t sequence_tokens = 0;  // sum of the sequences' lengths
  int64_t tree_tokens = 0;      // nodes of their prefix tree, last tokens included

  int32_t labels() const { return static_cast<int32_t>(target.size()); }
};

// Indices of the sequences in lexicographic order of tokens: neighbours share the longest prefixes, so a
// contiguous range of it is a set of whole subtrees and the paths to them.
std::vector<int32_t> tree_order(const std::vector<Sequence>&);

// The tree of sequences[order[begin … end)]. share = false makes every sequence a tree of its own (a forest).
// sequence_label is indexed from 0 for order[begin].
TokenTree build_tree(const std::vector<Sequence>&, const std::vector<int32_t>& order, size_t begin,
                     size_t end, bool share);

// Cuts `order` into contiguous ranges whose trees hold at most max_rows rows each; returns their ends. A
// range holds at least one sequence; the caller has checked that each fits.
std::vector<size_t> cut_at_subtrees(const std::vector<Sequence>&, const std::vector<int32_t>& order,
                                    bool share, int64_t max_rows);

}  // namespace swirl

#endif  // SWIRL_ENGINE_TOKEN_TREE_H_
