// Schedule: the order in which the parts of a token tree go through the model, and where each lies on the
// stack of activations.
//
// Rows are stacked along the path from the root. The segments with large subtrees, the trunk, are computed
// first and stay; the subtrees that hang from them are gathered into batches, each run forward and backward
// on top of the trunk and popped; then the trunk's own backward runs with the gradients of its keys and values
// complete. A trunk larger than a batch is taken one branch at a time. Nothing is computed twice, and memory is
// the longest path and two batches at most, instead of the whole tree.
#ifndef SWIRL_ENGINE_SCHEDULE_H_
#define SWIRL_ENGINE_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "rows.h"
#include "token_tree.h"

namespace swirl {

struct Batch {
  std::vector<int32_t> segments;  // of the tree, ascending
  int32_t base = 0;               // rows on the stack below it: its rows are slots base … base + rows - 1
  int32_t rows = 0;
};

struct Schedule {
  struct Step {
    int32_t batch;
    bool backward;
  };
  std::vector<Batch> batches;
  std::vector<Step> steps;            // each batch once forward, later once backward; last in, first out
  std::vector<int32_t> segment_slot;  // [segments] slot of a segment's first row
  int32_t stack_rows = 0;             // most rows on the stack at once
  int32_t batch_rows = 0;             // most rows of a batch
  bool nested = false;                // whether any batch stands on another
};

// Batches of at most batch_limit rows where segments allow, on a stack of at most stack_limit rows, which the
// longest path fits.
Schedule schedule(const TokenTree&, int32_t stack_limit, int32_t batch_limit);

// One batch as the model and the head take it.
struct BatchLists : RowLists {
  std::vector<int32_t> label_row;     // [labelled rows] of the batch, ascending
  std::vector<int32_t> label_offset;  // [labelled rows + 1] into label and target
  std::vector<int32_t> target;        // [labels]
  std::vector<int32_t> label;         // [labels] the tree's number for each
  std::vector<int32_t> tree_row;      // [labelled rows] place in the tree's label_row

  int32_t labels() const { return static_cast<int32_t>(target.size()); }
};
BatchLists batch_lists(const TokenTree&, const Schedule&, const Batch&);

}  // namespace swirl

#endif  // SWIRL_ENGINE_SCHEDULE_H_
