// Which accesses of a block come before which others: one count of the block's barriers, and one of each lane's warp
// barriers. Counts of block barriers never start again, so an old record needs no clearing: it is before the block.
#ifndef SWIRL_CUDA_EMULATOR_RACE_CLOCK_H_
#define SWIRL_CUDA_EMULATOR_RACE_CLOCK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/emulator/thread.h"

namespace swirl::emulator::races {

// One access, or the same access of several lanes of a warp. An epoch of 0 is none.
struct Record {
  uint32_t epoch = 0;   // barriers of blocks before it
  uint32_t clock : 25;  // of its lanes
  uint32_t warp : 5;
  uint32_t in_flight : 1;   // an asynchronous copy nobody has waited for
  uint32_t many_warps : 1;  // and other warps besides
  uint32_t lanes = 0;
  uint32_t code = 0;  // race_place.h
  Record() : clock(0), warp(0), in_flight(0), many_warps(0) {}
};

class Clock {
 public:
  void launch_begins(size_t warps);
  void block_begins();
  void block_synchronized() { ++epoch_; }
  void warp_synchronized(int warp, uint32_t mask);

  uint32_t epoch() const { return epoch_; }
  Record now(int thread, uint32_t code) const {
    const int warp = thread / kLanes, lane = thread % kLanes;
    Record record;
    record.epoch = epoch_;
    record.clock = warps_[static_cast<size_t>(warp)].clock[lane] & 0x1ffffffu;
    record.warp = static_cast<uint32_t>(warp) & 31u;
    record.lanes = 1u << lane;
    record.code = code;
    return record;
  }
  bool in_launch(const Record& record) const { return record.epoch >= launch_; }
  bool in_block(const Record& record) const { return record.epoch >= block_; }
  // Of a record in this block: whether all that it stands for comes before what the thread does now.
  bool before(const Record& record, int thread) const {
    if (record.epoch < epoch_) return true;
    if (record.many_warps != 0 || static_cast<int>(record.warp) != thread / kLanes) return false;
    const int lane = thread % kLanes;
    const uint32_t others = record.lanes & ~(1u << lane);
    if (others == 0) return true;
    if (warps_[record.warp].apart) return before_apart(record, lane, others);
    return record.clock < warps_[record.warp].clock[lane];
  }

 private:
  struct Warp {
    uint32_t clock[kLanes];
    // Whether some lanes have met without the others; seen[i][j] is then the clock up to which lane i comes after
    // lane j. Otherwise lane i comes after all that has a smaller clock than its own.
    bool apart;
    uint32_t seen[kLanes][kLanes];
  };
  bool before_apart(const Record&, int lane, uint32_t others) const;
  std::vector<Warp> warps_;
  uint32_t epoch_ = 0, block_ = 1, launch_ = 1;
};

}  // namespace swirl::emulator::races

#endif  // SWIRL_CUDA_EMULATOR_RACE_CLOCK_H_
