// Runs a kernel's grid, blocks one after another, in the order of order.h.
#ifndef SWIRL_CUDA_EMULATOR_GRID_H_
#define SWIRL_CUDA_EMULATOR_GRID_H_

#include <cstddef>
#include <string>
#include <tuple>

#include "cuda/emulator/memory.h"
#include "cuda/emulator/thread.h"

namespace swirl::emulator {

// A kernel with its arguments, for any thread to call.
struct Call {
  virtual void run() const = 0;
  // Names an argument that points at the host's memory; empty when none does.
  virtual std::string wrong_argument() const = 0;

 protected:
  ~Call() = default;
};
template <class... P>
struct Kernel final : Call {
  Kernel(void (*function)(P...), P... arguments) : function_(function), arguments_(arguments...) {}
  void run() const override { std::apply(function_, arguments_); }
  std::string wrong_argument() const override {
    std::string wrong;
    int number = 0;
    const auto look = [&](const auto& argument) {
      ++number;
      auto copy = argument;
      __builtin_clear_padding(&copy);  // padding may look like an address
      if (wrong.empty() && points_at_host(&copy, sizeof copy))
        wrong = "argument " + std::to_string(number) + " of the kernel points at host memory";
    };
    std::apply([&](const auto&... argument) { (look(argument), ...); }, arguments_);
    return wrong;
  }

 private:
  void (*function_)(P...);
  std::tuple<P...> arguments_;
};

// False with `error` set when the launch is impossible or a thread did something forbidden.
bool run_grid(const char* op, const Call& call, Index grid, Index block, size_t shared_bytes,
              std::string* error);

template <class Dim>
bool run(const char* op, const Call& call, Dim grid, Dim block, size_t shared_bytes, std::string* error) {
  return run_grid(op, call, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared_bytes, error);
}

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_GRID_H_
