#include "cuda/emulator/grid.h"

#include <cstdint>
#include <cstdio>

#include "cuda/emulator/block.h"
#include "cuda/emulator/faults.h"
#include "cuda/emulator/launch.h"
#include "cuda/emulator/races.h"
#include "cuda/emulator/shared_memory.h"

namespace swirl::emulator {
namespace {

constexpr unsigned kMaxThreads = 1024;

}  // namespace

bool run_grid(const char* op, const Call& call, Index grid, Index block, size_t shared_bytes,
              std::string* error) {
  const size_t threads = static_cast<size_t>(block.x) * block.y * block.z;
  char text[256];
  if (threads == 0 || threads > kMaxThreads || grid.y > 65535 || grid.z > 65535 || grid.x > 0x7fffffffu ||
      shared_bytes > shared_limit()) {
    std::snprintf(text, sizeof text,
                  "%s: no GPU runs a grid (%u, %u, %u) of blocks (%u, %u, %u) with %zu bytes of at most %zu",
                  op, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes, shared_limit());
    *error = text;
    return false;
  }
  if (const std::string wrong = call.wrong_argument(); !wrong.empty()) {
    *error = std::string(op) + ": " + wrong;
    return false;
  }
  launch.op = op;
  launch.call = &call;
  launch.failed = false;
  launch.threads.resize(threads);
  launch.arguments.assign(threads, nullptr);
  launch.warps.resize((threads + kLanes - 1) / kLanes);
  if (!place_shared(shared_bytes)) {
    *error = std::string(op) + ": no memory for the emulated shared memory";
    return false;
  }
  position.grid = {grid.x, grid.y, grid.z};
  position.block = {block.x, block.y, block.z};
  const uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
  if (!launch.order.read(blocks, error)) return false;
  const FaultsAreErrors faults;
  races::launch_begins(launch.warps.size());
  bool whole = true;
  for (uint64_t i = 0; i < blocks && whole; ++i) {
    const uint64_t at = launch.order.block(i);
    position.block_index = {static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y),
                            static_cast<unsigned>(at / grid.x / grid.y)};
    whole = run_block(block);
  }
  races::launch_ends();
  if (!whole) *error = launch.error;  // the stacks of threads that never returned are leaked
  return whole;
}

}  // namespace swirl::emulator
