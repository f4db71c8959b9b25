// KvCache: keys and values of every token computed under the present weights, kept as a prefix tree.
//
// A prompt that starts like an earlier one (the next turn of a rollout, a sibling sample) finds its prefix
// here and computes the rest only. Slots are handed out in order. When they run out, what no recent call has
// seen is forgotten and the rest moves together, into more memory where that is not enough: rollouts that go
// on keep their rows, whatever runs beside them. What it holds, moving included, stays within what it is given.
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
  static constexpr int32_t kRoot = -1;

  KvCache(Device&, const ModelConfig&, swirl_dtype);

  // A call of the sampler begins: what it finds or adds counts as seen by it.
  void begin_call() { ++call_; }

  bool fits(int64_t more) const { return used_ + more <= capacity_; }
  // Makes room for `more` slots in at most max_bytes, holding at most max_moving on the way. Nodes and slots get
  // new numbers. What this call has found is kept, unless there is not the memory to move it: then everything
  // is forgotten, and the caller looks again.
  void reserve(int64_t more, uint64_t max_bytes, uint64_t max_moving);
  // What it would take for `more` slots, had it all the memory it wants.
  uint64_t wanted_bytes(int64_t more) const;

  // What came after a mark can be undone, as if it had not been added: slots that were never written. Nothing is
  // to undo where everything was forgotten since.
  struct Mark {
    int32_t nodes;
    int64_t used;
  };
  Mark mark() const { return {static_cast<int32_t>(nodes_.size()), used_}; }
  void undo(Mark);
  int64_t taken_since(Mark mark) const { return used_ - mark.used; }

  void drop();     // forgets every row; call when weights change
  void release();  // and gives the memory back

  int32_t find(int32_t node, int32_t token);  // a child, or kRoot
  // A new child in this slot; where one is there already, that one is kept and returned.
  int32_t add(int32_t node, int32_t token, int32_t slot);
  int32_t take_slots(int32_t count) {
    used_ += count;
    return static_cast<int32_t>(used_ - count);
  }

  int32_t slot(int32_t node) const { return nodes_[node].slot; }
  // Slots from the root to this node, in order of position, joined where they are neighbours.
  std::vector<Interval> path(int32_t node) const;

  CacheView view() const;
  uint64_t slot_bytes() const;
  uint64_t bytes() const;

 private:
  struct Node {
    int32_t parent, token, slot;
    int64_t call;  // the last that found it; never earlier than a child's
  };
  // Forgets what was last seen before call `oldest`; what is left takes the first slots, in depth-first order.
  void keep_since(int64_t oldest, int64_t capacity);
  void move_rows(Buffer& rows, const int32_t* index, int32_t kept, int64_t capacity);
  uint64_t row_bytes() const { return c_.kv_width() * size_of(dtype_); }  // of a layer's keys, or values
  int64_t seen_since(int64_t oldest) const;
  int64_t recent() const;  // the first call whose rows are still wanted
  // Of one slot, with its part in what moving takes: the list of slots, and one layer's keys in two places.
  uint64_t slot_bytes_moving() const { return slot_bytes() + row_bytes() + sizeof(int32_t); }
  uint64_t bytes_while_moving(int64_t rows, int64_t capacity) const;  // most held at once
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
  int64_t call_ = 0;
};

// Appends a slot to a path, joining it to the last interval where it follows on.
void append_slot(std::vector<Interval>& path, int32_t slot);

}  // namespace swirl

#endif  // SWIRL_ENGINE_KV_CACHE_H_
