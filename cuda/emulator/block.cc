#include "cuda/emulator/block.h"

#include <cstdio>

#include "cuda/emulator/launch.h"
#include "cuda/emulator/races.h"
#include "cuda/emulator/shared_memory.h"

namespace swirl::emulator {
namespace {

void thread_main() {
  launch.call->run();
  Thread* self = launch.running;
  if (!self->copies.empty())
    stop("returns with %zu asynchronous copies that it never waited for", self->copies.size());
  if (launch.waiting > 0)
    stop("returns, but %d threads of the block wait at %s", launch.waiting, text(launch.barrier).c_str());
  if (const Thread* other = waiting_for(*self); other != nullptr)
    stop("returns, but lane %d waits for it at %s", other->number % kLanes, text(other->site).c_str());
  launch.warps[static_cast<size_t>(self->number / kLanes)].done |= 1u << lane();
  ++launch.done;
  launch.returned = self;
  leave(self, true);
}

void resume(Thread* thread) {
  if (!thread->started) {
    thread->started = true;
    prepare(&thread->context, launch.stacks.take(), thread_main);
  }
  launch.running = thread;
  position.thread = thread->index;
  switch_to(&launch.scheduler, &thread->context);
  if (launch.returned != nullptr) {
    launch.stacks.put(launch.returned->context.stack);
    launch.returned = nullptr;
  }
}

// Reports which threads wait where, when no thread can continue.
void describe_deadlock() {
  for (const Thread& thread : launch.threads) {
    if (thread.mask == 0) continue;
    std::snprintf(launch.error, sizeof launch.error, "%s: waits for ever at %s with mask %08x",
                  where(thread).c_str(), text(thread.site).c_str(), thread.mask);
    return;
  }
  std::snprintf(launch.error, sizeof launch.error, "%s: %d of %zu threads wait for ever at %s", launch.op,
                launch.waiting, launch.threads.size(), text(launch.barrier).c_str());
}

void begin_block(Index sizes) {
  poison_shared();
  races::block_begins();
  launch.waiting = launch.done = 0;
  size_t number = 0;
  for (Warp& warp : launch.warps) warp = {};
  for (unsigned z = 0; z < sizes.z; ++z)
    for (unsigned y = 0; y < sizes.y; ++y)
      for (unsigned x = 0; x < sizes.x; ++x, ++number) {
        Thread& thread = launch.threads[number];
        thread.index = {x, y, z};
        thread.number = static_cast<int>(number);
        thread.started = false;
        thread.mask = 0;
        thread.copies.clear();
        thread.groups = 0;
        launch.warps[number / kLanes].present |= 1u << number % kLanes;
      }
  for (Warp& warp : launch.warps) warp.ready = warp.present;
}

}  // namespace

bool run_block(Index sizes) {
  begin_block(sizes);
  const int warps = static_cast<int>(launch.warps.size());
  while (launch.done < static_cast<int>(launch.threads.size())) {
    const auto stuck = [] {
      for (const Warp& warp : launch.warps)
        if (warp.ready != 0) return false;
      return true;
    };
    for (int i = 0; i < warps; ++i) {
      const int number = launch.order.warp(i, warps);
      Warp& warp = launch.warps[static_cast<size_t>(number)];
      while (warp.ready != 0) {
        const int next = launch.order.lane(warp.ready);
        warp.ready &= ~(1u << next);
        resume(&thread_of(number, next));
        if (launch.failed) return false;
        if (launch.order.interleaves()) break;
      }
    }
    if (launch.done < static_cast<int>(launch.threads.size()) && stuck()) {
      describe_deadlock();
      return false;
    }
  }
  if (shared_end_is_whole()) return true;
  std::snprintf(launch.error, sizeof launch.error,
                "%s: block (%u, %u, %u) wrote past the end of its %zu bytes of dynamic shared memory",
                launch.op, position.block_index.x, position.block_index.y, position.block_index.z,
                dynamic_shared_bytes());
  return false;
}

}  // namespace swirl::emulator
