#include "kv_cache.h"

#include <algorithm>

#include "error.h"

namespace swirl {

namespace {

// Calls that a rollout may sit out (its tool is slow, others were batched first) and still find its rows.
constexpr int64_t kRecentCalls = 64;
constexpr int64_t kLeastSlots = 4096;

}  // namespace

KvCache::KvCache(Device& device, const ModelConfig& config, swirl_dtype dtype)
    : device_(device),
      c_(config),
      dtype_(dtype),
      keys_(device, "cached keys"),
      values_(device, "cached values") {}

uint64_t KvCache::slot_bytes() const { return 2 * uint64_t(c_.layers) * c_.kv_width() * size_of(dtype_); }

void KvCache::reserve(int64_t more, uint64_t max_bytes) {
  if (fits(more)) return;
  const auto most = std::min<int64_t>(static_cast<int64_t>(max_bytes / slot_bytes()), INT32_MAX / 2);
  int64_t oldest = std::max<int64_t>(call_ - kRecentCalls, 0);
  while (oldest < call_ && seen_since(oldest) + more > most) ++oldest;
  const int64_t needed = seen_since(oldest) + more;
  if (needed > most) {
    throw Error("MEMORY", "generate",
                "keys and values of " + std::to_string(needed) + " tokens need " +
                    std::to_string((uint64_t(needed) * slot_bytes()) >> 20) + " MiB; " +
                    std::to_string(max_bytes >> 20) + " MiB are left",
                "generate fewer sequences at once, lower maxNewTokens, or raise memoryBudget");
  }
  // Twice the need, so that the next turns fit as well; the same memory while they would fit there.
  const bool roomy = needed <= capacity_ - capacity_ / 4 || (needed <= capacity_ && capacity_ >= most);
  const int64_t capacity = roomy ? capacity_ : std::min(most, std::max(2 * needed, kLeastSlots));
  const uint64_t while_moving = (uint64_t(capacity_) + capacity / 2) * slot_bytes();
  if (capacity != capacity_ && (used_ == 0 || while_moving > max_bytes)) {
    release();
    keys_.resize(capacity * slot_bytes() / 2);
    values_.resize(capacity * slot_bytes() / 2);
    capacity_ = capacity;
    return;
  }
  keep_since(oldest, capacity);
}

int64_t KvCache::seen_since(int64_t oldest) const {
  return std::count_if(nodes_.begin(), nodes_.end(), [&](const Node& n) { return n.call >= oldest; });
}

void KvCache::keep_since(int64_t oldest, int64_t capacity) {
  const auto count = static_cast<int32_t>(nodes_.size());
  std::vector<int32_t> first_child(count + 1, kRoot),
      next_sibling(count, kRoot);  // first_child[0]: of the root
  for (int32_t n = count - 1; n >= 0; --n) {
    if (nodes_[n].call < oldest) continue;  // and so were its children
    int32_t& first = first_child[nodes_[n].parent + 1];
    next_sibling[n] = first;
    first = n;
  }
  std::vector<Node> kept;
  std::vector<int32_t> slots;                      // where they are now
  std::vector<std::pair<int32_t, int32_t>> stack;  // a node, its parent's new number
  const auto push_children = [&](int32_t node, int32_t number) {
    const auto begin = static_cast<std::ptrdiff_t>(stack.size());
    for (int32_t n = first_child[node + 1]; n != kRoot; n = next_sibling[n]) stack.push_back({n, number});
    std::reverse(stack.begin() + begin, stack.end());
  };
  push_children(kRoot, kRoot);
  while (!stack.empty()) {
    const auto [node, parent] = stack.back();
    stack.pop_back();
    const auto number = static_cast<int32_t>(kept.size());
    slots.push_back(nodes_[node].slot);
    kept.push_back({parent, nodes_[node].token, number, nodes_[node].call});
    push_children(node, number);
  }

  Buffer index(device_, "slots that are kept");
  index.resize(slots.size() * sizeof(int32_t));
  device_.upload(index.as<void>(), slots.data(), slots.size() * sizeof(int32_t));
  const auto rows = static_cast<int32_t>(kept.size());
  try {
    move_rows(keys_, index.as<int32_t>(), rows, capacity);
    move_rows(values_, index.as<int32_t>(), rows, capacity);
  } catch (...) {
    release();  // one of the two may have moved
    throw;
  }
  capacity_ = capacity;
  used_ = rows;
  nodes_ = std::move(kept);
  children_.clear();
  for (int32_t n = 0; n < rows; ++n) children_[key(nodes_[n].parent, nodes_[n].token)] = n;
}

// Within the memory they are in, rows pass through a copy of one layer: they would overtake each other.
void KvCache::move_rows(Buffer& rows, const int32_t* index, int32_t kept, int64_t capacity) {
  const swirl_kernels& k = device_.kernels();
  const int32_t width = c_.kv_width();
  const uint64_t row_bytes = width * size_of(dtype_);
  const bool in_place = capacity == capacity_;
  Buffer fresh(device_, "cached keys and values");
  fresh.resize((in_place ? kept : capacity * c_.layers) * row_bytes);
  for (int32_t l = 0; l < c_.layers; ++l) {
    auto* from = rows.as<uint8_t>() + l * capacity_ * row_bytes;
    auto* to = fresh.as<uint8_t>() + (in_place ? 0 : l * capacity * row_bytes);
    if (kept == 0) continue;
    device_.check(k.gather_rows(device_.handle(), kept, width, index, from, width, to, width, dtype_),
                  "move cached rows");
    if (in_place) device_.check(k.copy(device_.handle(), from, to, kept * row_bytes), "move cached rows");
  }
  if (!in_place) rows.swap(fresh);
}

void KvCache::undo(Mark mark) {
  for (auto n = static_cast<int32_t>(nodes_.size()) - 1; n >= mark.nodes; --n)
    children_.erase(key(nodes_[n].parent, nodes_[n].token));
  nodes_.resize(mark.nodes);
  used_ = mark.used;
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

int32_t KvCache::find(int32_t node, int32_t token) {
  const auto child = children_.find(key(node, token));
  if (child == children_.end()) return kRoot;
  nodes_[child->second].call = call_;
  return child->second;
}

int32_t KvCache::add(int32_t node, int32_t token, int32_t slot) {
  const auto [child, is_new] = children_.try_emplace(key(node, token), static_cast<int32_t>(nodes_.size()));
  if (is_new)
    nodes_.push_back({node, token, slot, call_});
  else
    nodes_[child->second].call = call_;
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
