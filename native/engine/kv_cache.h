// KvCache: keys and values of tokens computed with the current weights, stored as prefix trees: one for the base, and
// one for each adapter. They share the slots, and never a row.
//
// A prompt with the same prefix as an earlier one (the next turn of a rollout, another sample) reuses it and computes
// only the rest. Slots are allocated in order. When they run out, rows that no recent call has used are evicted and the
// rest is compacted, into a larger buffer if necessary. So running rollouts keep their rows, even with others running
// at the same time. Memory, including that for compaction, stays within the limits given to reserve().
#ifndef SWIRL_ENGINE_KV_CACHE_H_
#define SWIRL_ENGINE_KV_CACHE_H_

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "model.h"

namespace swirl {

class KvCache {
 public:
  static constexpr int32_t kNone = -1;  // no node; roots are below it

  KvCache(Device&, const ModelConfig&, swirl_dtype);

  // Marks the beginning of a sampler call with these weights: an adapter, or null for the base. Rows that it finds or
  // adds count as used by it.
  void begin_call(const void* weights);
  int32_t root() const { return root_; }  // of the call's tree

  bool fits(int64_t more) const { return used_ + more <= capacity_; }
  // Makes room for `more` slots in at most max_bytes, with at most max_moving bytes during compaction. Nodes and slots
  // are renumbered. Rows that this call has found are kept, unless there is no memory to move them: then the cache is
  // empty, and the caller must look them up again.
  void reserve(int64_t more, uint64_t max_bytes, uint64_t max_moving);
  // Bytes needed for `more` slots, ignoring the limits.
  uint64_t wanted_bytes(int64_t more) const;

  // undo(mark) removes the nodes and slots added since the mark, whose slots were never written. It does nothing if
  // the cache was emptied since.
  struct Mark {
    int32_t nodes;
    int64_t used;
  };
  Mark mark() const { return {static_cast<int32_t>(nodes_.size()), used_}; }
  void undo(Mark);
  int64_t taken_since(Mark mark) const { return used_ - mark.used; }

  void drop();  // evicts every row; call it when the base's weights change
  // Evicts the rows of these weights; call it when they change, and before an adapter is freed.
  void drop(const void* weights);
  bool empty() const { return used_ == 0; }
  void release();  // the same, and frees the memory

  int32_t find(int32_t node, int32_t token);  // a child, or kNone
  // Adds a child in this slot. If there is one for this token already, returns that one instead.
  int32_t add(int32_t node, int32_t token, int32_t slot);
  int32_t take_slots(int32_t count) {
    used_ += count;
    return static_cast<int32_t>(used_ - count);
  }

  int32_t slot(int32_t node) const { return nodes_[node].slot; }
  // Slots from the root to this node, in order of position, with neighboring slots joined to intervals.
  std::vector<Interval> path(int32_t node) const;

  CacheView view() const;
  uint64_t slot_bytes() const;
  uint64_t bytes() const;

 private:
  struct Node {
    int32_t parent, token, slot;  // parent: a node or a root
    int64_t call;  // the last call that used it, never earlier than a child's; kEvicted when dropped
  };
  // Evicts rows last used before call `oldest`; the others move to the first slots, in depth-first order.
  void keep_since(int64_t oldest, int64_t capacity);
  void move_rows(Buffer& rows, const int32_t* index, int32_t kept, int64_t capacity);
  // One layer's keys (or values) of one row.
  uint64_t row_bytes() const { return c_.kv_width() * size_of(dtype_); }
  int64_t seen_since(int64_t oldest) const;
  int64_t recent() const;  // the oldest call whose rows are kept
  // Bytes per slot during compaction: the slot, its entry in the list of slots, and a second copy of one layer's keys.
  uint64_t slot_bytes_moving() const { return slot_bytes() + row_bytes() + sizeof(int32_t); }
  uint64_t bytes_while_moving(int64_t rows, int64_t capacity) const;  // peak
  void start_anew(int64_t capacity);

  static uint64_t key(int32_t node, int32_t token) {
    return uint64_t(uint32_t(node + 1)) << 32 | uint32_t(token);
  }

  Device& device_;
  const ModelConfig& c_;
  swirl_dtype dtype_;
  std::deque<Buffer> keys_, values_;  // [layers]: [capacity, kv_heads · head_dim] each
  int64_t capacity_ = 0, used_ = 0;   // slots
  std::vector<Node> nodes_;
  std::unordered_map<uint64_t, int32_t> children_;
  static constexpr int64_t kEvicted = -1;
  // By weights. A root is used once: what was computed with weights that have changed is below a root that no call has.
  std::unordered_map<const void*, int32_t> roots_;
  int32_t root_ = kNone - 1, next_root_ = kNone - 1;
  int64_t call_ = 0;
};

// Appends a slot to a path; extends the last interval if the slot follows it directly.
void append_slot(std::vector<Interval>& path, int32_t slot);

}  // namespace swirl

#endif  // SWIRL_ENGINE_KV_CACHE_H_
