// Schedule: the order in which the batches of a token tree go through the model, and where each is placed on the
// stack of activations. A batch is a set of segments that one pass computes (a micro-batch).
//
// The trunk is the segments with large subtrees. It goes forward first, and its activations stay on the stack. The
// subtrees below it are grouped into batches; each batch is pushed, goes forward and backward, and is popped. Then
// the trunk goes backward, because the gradients of its keys and values are complete. A trunk larger than a batch is
// processed one branch at a time. Nothing is computed twice, and memory is bounded by the longest path plus two
// batches, instead of the whole tree.
#ifndef SWIRL_ENGINE_SCHEDULE_H_
#define SWIRL_ENGINE_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "rows.h"
#include "token_tree.h"

namespace swirl {

struct Batch {
  std::vector<int32_t> segments;  // indices into the tree's segments, ascending
  int32_t base = 0;               // rows below it on the stack; its own are slots base … base + rows - 1
  int32_t rows = 0;
};

struct Schedule {
  struct Step {
    int32_t batch;
    bool backward;
  };
  std::vector<Batch> batches;
  std::vector<Step> steps;            // each batch forward once, then backward once; last in, first out
  std::vector<int32_t> segment_slot;  // [segments] slot of a segment's first row
  int32_t stack_rows = 0;             // maximum rows on the stack
  int32_t batch_rows = 0;             // maximum rows of a batch
  bool nested = false;                // whether any batch is placed on top of another
};

// Batches have at most batch_limit rows, except a single segment that is longer. The stack has at most stack_limit
// rows; the caller guarantees that the longest path fits.
Schedule schedule(const TokenTree&, int32_t stack_limit, int32_t batch_limit);

// One batch in the form that the model and the head take.
struct BatchLists : RowLists {
  std::vector<int32_t> label_row;     // [labelled rows] of the batch, ascending
  std::vector<int32_t> label_offset;  // [labelled rows + 1] into label and target
  std::vector<int32_t> target;        // [labels]
  std::vector<int32_t> label;         // [labels] index into the tree's target
  std::vector<int32_t> tree_row;      // [labelled rows] index into the tree's label_row

  int32_t labels() const { return static_cast<int32_t>(target.size()); }
};
BatchLists batch_lists(const TokenTree&, const Schedule&, const Batch&);

}  // namespace swirl

#endif  // SWIRL_ENGINE_SCHEDULE_H_
