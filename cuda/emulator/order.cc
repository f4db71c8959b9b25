#include "cuda/emulator/order.h"

#include <cstdlib>
#include <numeric>

namespace swirl::emulator {

bool Order::read(uint64_t blocks, std::string* error) {
  const char* chosen = std::getenv("SWIRL_EMULATOR_ORDER");
  const std::string wish = chosen == nullptr ? "" : chosen;
  blocks_ = blocks > 0 ? blocks : 1;
  if (wish.empty() || wish == "forward") {
    kind_ = Kind::kForward;
  } else if (wish == "reverse") {
    kind_ = Kind::kReverse;
  } else if (wish == "random" || wish.rfind("random:", 0) == 0) {
    kind_ = Kind::kRandom;
    seed_ = wish == "random" ? 1 : std::strtoull(wish.c_str() + 7, nullptr, 10);
    first_ = next() % blocks_;
    do step_ = next() % blocks_ + 1;  // no common factor, so that every block is run
    while (std::gcd(step_, blocks_) != 1);
  } else {
    *error = "SWIRL_EMULATOR_ORDER is \"" + wish + "\"; it is forward, reverse, random or random:SEED";
    return false;
  }
  return true;
}

// splitmix64. The sequence continues from launch to launch.
uint64_t Order::next() {
  uint64_t x = seed_ * 0xd1342543de82ef95u + ++drawn_ * 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

uint64_t Order::block(uint64_t i) const {
  if (kind_ == Kind::kForward) return i;
  if (kind_ == Kind::kReverse) return blocks_ - 1 - i;
  return static_cast<uint64_t>((first_ + static_cast<unsigned __int128>(i) * step_) % blocks_);
}

int Order::warp(int i, int warps) {
  if (kind_ == Kind::kForward) return i;
  if (kind_ == Kind::kReverse) return warps - 1 - i;
  return static_cast<int>(next() % static_cast<uint64_t>(warps));
}

int Order::lane(uint32_t ready) {
  if (kind_ == Kind::kForward) return __builtin_ctz(ready);
  if (kind_ == Kind::kReverse) return 31 - __builtin_clz(ready);
  for (uint64_t skip = next() % static_cast<uint64_t>(__builtin_popcount(ready)); skip > 0; --skip)
    ready &= ready - 1;
  return __builtin_ctz(ready);
}

}  // namespace swirl::emulator
