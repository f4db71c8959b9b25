#include "kv_cache.h"

#include <algorithm>

#include "error.h"
#include "memory_text.h"

namespace swirl {

namespace {

// Number of calls that a rollout may miss (its tool is slow, others were batched first) and still find its rows.
constexpr int64_t kRecentCalls = 64;
constexpr int64_t kLeastSlots = 4096;

}  // namespace

KvCache::KvCache(Device& device, const ModelConfig& config, swirl_dtype dtype)
    : device_(device), c_(config), dtype_(dtype) {
  for (int32_t l = 0; l < config.layers; ++l) {
    keys_.emplace_back(device, "cached keys");
    values_.emplace_back(device, "cached values");
  }
}

uint64_t KvCache::slot_bytes() const { return 2 * uint64_t(c_.layers) * row_bytes(); }

uint64_t KvCache::bytes() const {
  uint64_t bytes = 0;
  for (const auto* buffers : {&keys_, &values_}) {
    for (const Buffer& buffer : *buffers) bytes += buffer.bytes();
  }
  return bytes;
}

uint64_t KvCache::bytes_while_moving(int64_t rows, int64_t capacity) const {
  return std::max(capacity, capacity_) * slot_bytes() + capacity * row_bytes() + rows * sizeof(int32_t);
}

int64_t KvCache::recent() const { return std::max<int64_t>(call_ - kRecentCalls, 0); }

uint64_t KvCache::wanted_bytes(int64_t more) const {
  return std::max(2 * (seen_since(recent()) + more), kLeastSlots) * slot_bytes_moving();
}

void KvCache::start_anew(int64_t capacity) {
  if (capacity == capacity_) return drop();
  release();
  for (auto* buffers : {&keys_, &values_}) {
    for (Buffer& buffer : *buffers) buffer.resize(capacity * row_bytes());
  }
  capacity_ = capacity;
}

void KvCache::reserve(int64_t more, uint64_t max_bytes, uint64_t max_moving) {
  if (fits(more) && bytes() <= max_bytes) return;
  const auto most = std::min<int64_t>(static_cast<int64_t>(max_bytes / slot_bytes_moving()), INT32_MAX / 2);
  int64_t oldest = recent();
  while (oldest < call_ && seen_since(oldest) + more > most) ++oldest;
  const int64_t kept = seen_since(oldest), needed = kept + more;
  if (needed > most) {
    throw Error("MEMORY", "generate",
                "keys and values of " + std::to_string(needed) + " tokens need " +
                    memory_text(uint64_t(needed) * slot_bytes()) + "; " + memory_text(max_bytes) +
                    " are left",
                "generate fewer sequences at once, lower maxNewTokens, or raise memoryBudget");
  }
  // Keep the current capacity if the next turns fit as well; else take twice the need, so that they do.
  const int64_t wanted = std::min(most, std::max(2 * needed, kLeastSlots));
  const bool stays = capacity_ <= most && needed <= capacity_;
  const bool roomy = stays && needed <= capacity_ - capacity_ / 4;
  if (used_ == 0) return start_anew(wanted);
  if (!roomy && bytes_while_moving(kept, wanted) <= max_moving) return keep_since(oldest, wanted);
  if (stays && bytes_while_moving(kept, capacity_) <= max_moving) return keep_since(oldest, capacity_);
  // Otherwise compact into less memory, and if necessary keep only this call's rows: recomputing them takes more
  // memory.
  const auto beside = capacity_ * slot_bytes() + kept * sizeof(int32_t);
  const auto room = static_cast<int64_t>((max_moving - std::min(max_moving, beside)) / row_bytes());
  while (oldest < call_ && seen_since(oldest) + more > room) ++oldest;
  if (seen_since(oldest) + more <= room) return keep_since(oldest, std::min(wanted, room));
  start_anew(wanted);
}

int64_t KvCache::seen_since(int64_t oldest) const {
  return std::count_if(nodes_.begin(), nodes_.end(), [&](const Node& n) { return n.call >= oldest; });
}

void KvCache::keep_since(int64_t oldest, int64_t capacity) {
  const auto count = static_cast<int32_t>(nodes_.size());
  std::vector<int32_t> first_child(count + 1, kNone),
      next_sibling(count, kNone);  // first_child[0]: of the roots
  for (int32_t n = count - 1; n >= 0; --n) {
    if (nodes_[n].call < oldest) continue;  // and so are its children
    int32_t& first = first_child[std::max(nodes_[n].parent, kNone) + 1];
    next_sibling[n] = first;
    first = n;
  }
  std::vector<Node> kept;
  std::vector<int32_t> slots;                      // where they are now
  std::vector<std::pair<int32_t, int32_t>> stack;  // a node, its parent's new number
  const auto push_children = [&](int32_t node, int32_t number) {
    const auto begin = static_cast<std::ptrdiff_t>(stack.size());
    for (int32_t n = first_child[node + 1]; n != kNone; n = next_sibling[n]) {
      stack.push_back({n, node == kNone ? nodes_[n].parent : number});
    }
    std::reverse(stack.begin() + begin, stack.end());
  };
  push_children(kNone, kNone);
  while (!stack.empty()) {
    const auto [node, parent] = stack.back();
    stack.pop_back();
    const auto number = static_cast<int32_t>(kept.size());
    slots.push_back(nodes_[node].slot);
    kept.push_back({parent, nodes_[node].token, number, nodes_[node].call});
    push_children(node, number);
  }

  std::unordered_map<uint64_t, int32_t> children;
  children.reserve(kept.size());
  for (size_t n = 0; n < kept.size(); ++n)
    children.emplace(key(kept[n].parent, kept[n].token), static_cast<int32_t>(n));

  Buffer index(device_, "slots that are kept");
  index.resize(slots.size() * sizeof(int32_t));
  device_.upload(index.as<void>(), slots.data(), slots.size() * sizeof(int32_t));
  const auto rows = static_cast<int32_t>(kept.size());
  try {
    for (auto* buffers : {&keys_, &values_}) {
      for (Buffer& buffer : *buffers) move_rows(buffer, index.as<int32_t>(), rows, capacity);
    }
  } catch (...) {
    release();  // some may have moved
    throw;
  }
  capacity_ = capacity;
  used_ = rows;
  nodes_ = std::move(kept);
  children_ = std::move(children);
}

void KvCache::move_rows(Buffer& rows, const int32_t* index, int32_t kept, int64_t capacity) {
  const int32_t width = c_.kv_width();
  Buffer fresh(device_, "cached keys and values");
  fresh.resize(capacity * row_bytes());
  if (kept > 0) {
    device_.check(device_.kernels().gather_rows(device_.handle(), kept, width, index, rows.as<void>(), width,
                                                fresh.as<void>(), width, dtype_),
                  "move cached rows");
  }
  rows.swap(fresh);
}

void KvCache::undo(Mark mark) {
  if (mark.nodes > static_cast<int32_t>(nodes_.size())) return;
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

void KvCache::begin_call(const void* weights) {
  ++call_;
  const auto [known, fresh] = roots_.try_emplace(weights, next_root_);
  if (fresh) --next_root_;
  root_ = known->second;
}

void KvCache::drop(const void* weights) {
  const auto known = roots_.find(weights);
  if (known == roots_.end()) return;
  const int32_t root = known->second;
  roots_.erase(known);
  std::vector<int32_t> root_of(nodes_.size());
  bool any = false;
  for (size_t n = 0; n < nodes_.size(); ++n) {
    const int32_t parent = nodes_[n].parent;
    root_of[n] = parent < 0 ? parent : root_of[parent];
    if (root_of[n] == root) nodes_[n].call = kEvicted;
    any = any || nodes_[n].call != kEvicted;
  }
  if (!any) drop();
}

void KvCache::release() {
  drop();
  for (auto* buffers : {&keys_, &values_}) {
    for (Buffer& buffer : *buffers) buffer.resize(0);
  }
  capacity_ = 0;
}

int32_t KvCache::find(int32_t node, int32_t token) {
  const auto child = children_.find(key(node, token));
  if (child == children_.end()) return kNone;
  nodes_[child->second].call = call_;
  return child->second;
}

int32_t KvCache::add(int32_t node, int32_t token, int32_t slot) {
  const int32_t known = find(node, token);
  if (known != kNone) return known;
  const auto number = static_cast<int32_t>(nodes_.size());
  nodes_.push_back({node, token, slot, call_});  // first: children_ never names a node that is not there
  children_.emplace(key(node, token), number);
  return number;
}

std::vector<Interval> KvCache::path(int32_t node) const {
  std::vector<Interval> intervals;  // leaf first
  for (int32_t n = node; n >= 0; n = nodes_[n].parent) {
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

CacheView KvCache::view() const {
  CacheView view;
  for (const Buffer& keys : keys_) view.keys.push_back(keys.as<void>());
  for (const Buffer& values : values_) view.values.push_back(values.as<void>());
  return view;
}

void append_slot(std::vector<Interval>& path, int32_t slot) {
  if (!path.empty() && path.back().end == slot) {
    ++path.back().end;
  } else {
    path.push_back({slot, slot + 1});
  }
}

}  // namespace swirl
