#include "cuda/emulator/barrier.h"

#include <cstring>

#include "cuda/emulator/launch.h"
#include "cuda/emulator/races.h"

namespace swirl::emulator {
namespace {

bool same(const Site& a, const Site& b) {
  return a.line == b.line && (a.op == b.op || std::strcmp(a.op, b.op) == 0) &&
         (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

// A lane of the mask waits somewhere else, or for other lanes.
[[noreturn]] void stop_apart(int warp, uint32_t mask, const Site& site) {
  for (int i = 0; i < kLanes; ++i) {
    const Thread& other = thread_of(warp, i);
    if ((mask >> i & 1u) == 0 || other.mask == 0 || (other.mask == mask && same(other.site, site))) continue;
    stop("%s with mask %08x, but lane %d waits at %s with mask %08x", text(site).c_str(), mask, i,
         text(other.site).c_str(), other.mask);
  }
  stop("%s with mask %08x: the lanes that wait are not its own", text(site).c_str(), mask);
}

}  // namespace

void warp_barrier(uint32_t mask, const Site& site, void* argument, void (*act)(void* const*, uint32_t)) {
  Thread* self = launch.running;
  const int number = self->number / kLanes;
  Warp& warp = launch.warps[static_cast<size_t>(number)];
  const uint32_t own = 1u << lane();
  if ((mask & own) == 0) stop("%s: the mask %08x leaves out the calling lane", text(site).c_str(), mask);
  if ((mask & ~warp.present) != 0)
    stop("%s: the mask %08x names lanes that the block does not have", text(site).c_str(), mask);
  if ((mask & warp.done) != 0)
    stop("%s: lanes %08x of the mask have returned already", text(site).c_str(), mask & warp.done);
  if ((mask & warp.at_barrier) != 0)
    stop("%s: lanes %08x of the mask wait at %s", text(site).c_str(), mask & warp.at_barrier,
         text(launch.barrier).c_str());
  self->argument = argument;
  self->first = self;
  if (const uint32_t here = warp.waiting & mask; here != 0) {
    Thread* one = &thread_of(number, __builtin_ctz(here));
    if (one->mask != mask || !same(one->site, site) || one->first->arrived != here)
      stop_apart(number, mask, site);
    self->first = one->first;
  } else {
    self->arrived = 0;
  }
  const uint32_t arrived = self->first->arrived |= own;
  if (arrived != mask) {
    self->mask = mask;
    self->site = site;
    warp.waiting |= own;
    leave(self, false);
    return;
  }
  void* arguments[kLanes] = {};
  for (int i = 0; i < kLanes; ++i) {
    if ((mask >> i & 1u) == 0) continue;
    Thread& other = thread_of(number, i);
    arguments[i] = other.argument;
    other.mask = 0;
  }
  warp.waiting &= ~mask;
  launch.code = __builtin_return_address(0);
  if (act != nullptr) act(arguments, mask);
  warp.ready |= mask & ~own;
}

void block_barrier(const Site& site, void* argument, void (*act)(void* const*, int)) {
  Thread* self = launch.running;
  const int threads = static_cast<int>(launch.threads.size());
  if (launch.done > 0)
    stop("%s: %d of the block's %d threads have returned already", text(site).c_str(), launch.done, threads);
  if (launch.waiting == 0) {
    launch.barrier = site;
  } else if (!same(launch.barrier, site)) {
    stop("%s, but other threads of the block wait at %s", text(site).c_str(), text(launch.barrier).c_str());
  }
  Warp& warp = launch.warps[static_cast<size_t>(self->number / kLanes)];
  if (const Thread* other = waiting_for(*self); other != nullptr)
    stop("%s, but lane %d waits for this lane at %s", text(site).c_str(), other->number % kLanes,
         text(other->site).c_str());
  launch.arguments[static_cast<size_t>(self->number)] = argument;
  warp.at_barrier |= 1u << lane();
  if (++launch.waiting < threads) {
    leave(self, false);
    return;
  }
  launch.waiting = 0;
  races::block_synchronized();
  if (act != nullptr) act(launch.arguments.data(), threads);
  for (Warp& each : launch.warps) {
    each.at_barrier = 0;
    each.ready = each.present;
  }
  warp.ready &= ~(1u << lane());  // this one is running
}

void order_memory(void* const*, uint32_t mask) {
  races::warp_synchronized(launch.running->number / kLanes, mask);
}

}  // namespace swirl::emulator
