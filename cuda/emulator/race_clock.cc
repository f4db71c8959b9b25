#include "cuda/emulator/race_clock.h"

#include <algorithm>

namespace swirl::emulator::races {

void Clock::launch_begins(size_t warps) {
  warps_.resize(warps);
  launch_ = block_ = ++epoch_;
}

void Clock::block_begins() {
  block_ = ++epoch_;
  for (Warp& warp : warps_) {
    std::fill_n(warp.clock, kLanes, 1u);
    warp.apart = false;
  }
}

void Clock::warp_synchronized(int number, uint32_t mask) {
  Warp& warp = warps_[static_cast<size_t>(number)];
  uint32_t last = 0;
  for (int i = 0; i < kLanes; ++i)
    if ((mask >> i & 1u) != 0) last = std::max(last, warp.clock[i]);
  if (mask == 0xffffffffu) {
    std::fill_n(warp.clock, kLanes, last + 1);
    warp.apart = false;
    return;
  }
  if (!warp.apart) {
    warp.apart = true;
    for (auto& seen : warp.seen)
      for (int j = 0; j < kLanes; ++j) seen[j] = warp.clock[j] - 1;
  }
  uint32_t joined[kLanes] = {};
  for (int i = 0; i < kLanes; ++i) {
    if ((mask >> i & 1u) == 0) continue;
    for (int j = 0; j < kLanes; ++j)
      joined[j] = std::max(joined[j], i == j ? warp.clock[i] : warp.seen[i][j]);
  }
  for (int i = 0; i < kLanes; ++i) {
    if ((mask >> i & 1u) == 0) continue;
    std::copy_n(joined, kLanes, warp.seen[i]);
    warp.clock[i] = last + 1;
  }
}

bool Clock::before_apart(const Record& record, int lane, uint32_t others) const {
  const Warp& warp = warps_[record.warp];
  for (int i = 0; i < kLanes; ++i)
    if ((others >> i & 1u) != 0 && warp.seen[lane][i] < record.clock) return false;
  return true;
}

}  // namespace swirl::emulator::races
