// The order in which blocks, warps and lanes run: a kernel without races gives the same bits in each.
//
// SWIRL_EMULATOR_ORDER=forward (the default), reverse, random or random:SEED. Random picks any warp that can run
// at every barrier, so warps overtake each other, which never happens in the two fixed orders.
#ifndef SWIRL_CUDA_EMULATOR_ORDER_H_
#define SWIRL_CUDA_EMULATOR_ORDER_H_

#include <cstdint>
#include <string>

namespace swirl::emulator {

class Order {
 public:
  // For a launch of this many blocks. False for an order that does not exist; `error` then names it.
  bool read(uint64_t blocks, std::string* error);

  uint64_t block(uint64_t i) const;  // the block that runs i-th
  // The i-th warp of a round, of the warps 0 … warps - 1.
  int warp(int i, int warps);
  // One of the set bits.
  int lane(uint32_t ready);
  // Whether a warp runs only one lane, instead of all, before the next warp's turn.
  bool interleaves() const { return kind_ == Kind::kRandom; }

 private:
  enum class Kind { kForward, kReverse, kRandom } kind_ = Kind::kForward;
  uint64_t next();
  uint64_t blocks_ = 1, first_ = 0, step_ = 1;  // random: block number first + i · step
  uint64_t seed_ = 0, drawn_ = 0;
};

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_ORDER_H_
