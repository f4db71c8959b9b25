#include "kv_cache.h"

#include <algorithm>

#include "error.h"

namespace swirl {

KvCache::KvCache(Device& device, const ModelConfig& config, swirl_dtype dtype)
    : c_(config), dtype_(dtype), keys_(device, "cached keys"), values_(device, "cached values") {}

uint64_t KvCache::slot_bytes() const { return 2 * uint64_t(c_.layers) * c_.kv_width() * size_of(dtype_); }

void KvCache::reserve(int64_t more, uint64_t max_bytes) {
  const int64_t slots = used_ + more;
  if (slots <= capacity_) return;
  const auto most = static_cast<int64_t>(max_bytes / slot_bytes());
  if (slots > most || slots > INT32_MAX / 2) {
    throw Error("MEMORY", "generate",
                "keys and values of " + std::to_string(slots) + " tokens need " +
                    std::to_string((uint64_t(slots) * slot_bytes()) >> 20) + " MiB; " +
                    std::to_string(max_bytes >> 20) + " MiB are left",
                "generate fewer sequences at once, lower maxNewTokens, or raise memoryBudget");
  }
  capacity_ = 0;
  keys_.resize(0);
  values_.resize(0);
  // Twice the need: the next turn of the same rollouts then finds this one's rows.
  const int64_t capacity = std::min(most, std::max<int64_t>(2 * slots, 4096));
  keys_.resize(capacity * slot_bytes() / 2);
  values_.resize(capacity * slot_bytes() / 2);
  capacity_ = capacity;
}

void KvCache::drop() {
  used_ = 0;
  nodes_.clear();
  children_.clear();
}

void KvCache::release() {
  drop();
  keys_.resize(0);
  values_.resize(0);
  capacity_ = 0;
}

int32_t KvCache::find(int32_t node, int32_t token) const {
  const auto child = children_.find(key(node, token));
  return child == children_.end() ? kRoot : child->second;
}

int32_t KvCache::add(int32_t node, int32_t token, int32_t slot) {
  const auto [child, is_new] = children_.try_emplace(key(node, token), static_cast<int32_t>(nodes_.size()));
  if (is_new) nodes_.push_back({node, slot});
  return child->second;
}

std::vector<Interval> KvCache::path(int32_t node) const {
  std::vector<Interval> intervals;  // leaf first
  for (int32_t n = node; n != kRoot; n = nodes_[n].parent) {
    const int32_t slot = nodes_[n].slot;
    if (!intervals.empty() && intervals.back().begin == slot + 1) {
      intervals.back().begin = slot;
    } else {
      intervals.push_back({slot, slot + 1});
    }
  }
  std::reverse(intervals.begin(), intervals.end());
  return intervals;
}

CacheView KvCache::view() const { return {capacity_, keys_.as<void>(), values_.as<void>()}; }

void append_slot(std::vector<Interval>& path, int32_t slot) {
  if (!path.empty() && path.back().end == slot) {
    ++path.back().end;
  } else {
    path.push_back({slot, slot + 1});
  }
}

}  // namespace swirl
