// The order in which blocks, warps and lanes run: a kernel without races gives the same bits in each.
//
// SWIRL_EMULATOR_ORDER=forward (the default), reverse, random or random:SEED. Random takes any warp that can run
// at every barrier, so warps overtake each other, which the two fixed orders never let them do.
#ifndef SWIRL_CUDA_EMULATOR_ORDER_H_
#define SWIRL_CUDA_EMULATOR_ORDER_H_

#include <cstdint>
#include <string>

namespace swirl::emulator {

class Order {
 public:
  // For a launch of so many blocks. False for an order that does not exist; `error` then names it.
  bool read(uint64_t blocks, std::string* error);

  uint64_t block(uint64_t i) const;  // the one that runs as number i
  // Of the warps 0 … warps - 1, the one to look at as number i of a round.
  int warp(int i, int warps);
  // One of the set bits.
  int lane(uint32_t ready);
  // Whether a warp runs one lane before the next warp has its turn, and not all of its lanes.
  bool interleaves() const { return kind_ == Kind::kRandom; }

 private:
  enum class Kind { kForward, kReverse, kRandom } kind_ = Kind::kForward;
  uint64_t next();
  uint64_t blocks_ = 1, first_ = 0, step_ = 1;  // random: block number first + i · step
  uint64_t seed_ = 0, drawn_ = 0;
};

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_ORDER_H_
