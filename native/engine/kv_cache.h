// KvCache: keys and values of every token computed under the present weights, kept as a prefix tree.
//
// A prompt that starts like an earlier one (the next turn of a rollout, a sibling sample) finds its prefix
// here and computes the rest only. Slots are handed out in order and never moved; when they run out
// everything is dropped.
#ifndef SWIRL_ENGINE_KV_CACHE_H_
#define SWIRL_ENGINE_KV_CACHE_H_

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "model.h"

namespace swirl {

class KvCache {
 public:
  static constexpr int32_t kRoot = -1;

  KvCache(Device&, const ModelConfig&, swirl_dtype);

  bool fits(int64_t more) const { return used_ + more <= capacity_; }
  // Room for the slots taken and `more`. May move the memory: only while no taken slot has been written.
  void reserve(int64_t more, uint64_t max_bytes);
  void drop();     // forgets every row; call when weights change
  void release();  // and gives the memory back

  int32_t find(int32_t node, int32_t token) const;  // a child, or kRoot
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

 private:
  struct Node {
    int32_t parent, slot;
  };
  static uint64_t key(int32_t node, int32_t token) {
    return uint64_t(uint32_t(node + 1)) << 32 | uint32_t(token);
  }

  const ModelConfig& c_;
  swirl_dtype dtype_;
  Buffer keys_, values_;
  int64_t capacity_ = 0, used_ = 0;  // slots
  std::vector<Node> nodes_;
  std::unordered_map<uint64_t, int32_t> children_;
};

// Appends a slot to a path, joining it to the last interval where it follows on.
void append_slot(std::vector<Interval>& path, int32_t slot);

}  // namespace swirl

#endif  // SWIRL_ENGINE_KV_CACHE_H_
