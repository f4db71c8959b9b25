// Runs a kernel's grid: blocks one after another, a block's threads as fibers that meet at barriers.
//
// What real hardware leaves undefined is an error here: a barrier or a warp operation that not every thread of
// its group reaches at the same place, or that a thread has returned past; asynchronous copies that nobody
// waits for. Shared memory holds NaN when a block begins. SWIRL_EMULATOR_ORDER=reverse runs blocks, warps and
// lanes from the last to the first: a kernel without races gives the same bits.
#ifndef SWIRL_CUDA_EMULATOR_BLOCK_H_
#define SWIRL_CUDA_EMULATOR_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include "cuda/emulator/memory.h"

namespace swirl::emulator {

struct Index {
  unsigned x, y, z;
};

constexpr int kLanes = 32;

// Where in the source an operation stands.
struct Site {
  const char* op;
  const char* file;
  int line;
};

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
      __builtin_clear_padding(&copy);  // what lies between fields may look like an address
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

// Geometry of the launch, and of the running thread.
struct Position {
  Index grid, block;          // sizes
  Index block_index, thread;  // of the running thread
};
extern Position position;

// The lane of the running thread.
int lane();
unsigned char* dynamic_shared();

// Every lane in `mask` calls at one site, each with an argument of its own; the last one to come runs
// act(arguments, mask), then all go on. A lane outside the mask has a null argument.
void meet_warp(uint32_t mask, const Site& site, void* argument,
               void (*act)(void* const* arguments, uint32_t mask));
// The same for every thread of the block. act(arguments, threads) may be null.
void meet_block(const Site& site, void* argument, void (*act)(void* const* arguments, int threads));

// Asynchronous copies of the running thread (tile.h).
void copy_async(void* shared, const void* global, bool valid);
void copy_async_close();
void copy_async_finish(int groups_left);

// Stops the launch with this error; never returns to the kernel.
[[noreturn]] void stop(const char* format, ...) __attribute__((format(printf, 1, 2)));

// False with `error` set when the launch is impossible or a thread did what no thread may.
bool run_grid(const char* op, const Call& call, Index grid, Index block, size_t shared_bytes,
              std::string* error);

template <class Dim>
bool run(const char* op, const Call& call, Dim grid, Dim block, size_t shared_bytes, std::string* error) {
  return run_grid(op, call, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared_bytes, error);
}

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_BLOCK_H_
