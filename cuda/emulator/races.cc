// Compiled to nothing without SWIRL_EMULATOR_RACES.
#include "cuda/emulator/races.h"

#if defined(SWIRL_EMULATOR_RACES)

#include <memory>
#include <unordered_map>

#include "cuda/emulator/launch.h"
#include "cuda/emulator/memory.h"
#include "cuda/emulator/race_clock.h"
#include "cuda/emulator/race_place.h"
#include "cuda/emulator/shared_memory.h"

namespace swirl::emulator::races {
namespace {

// What is known of the last accesses to a few bytes: as much as any later access could be in conflict with. A write
// that nothing is in conflict with comes after all that went before it, which is forgotten. Of reads, those of two warps
// are enough: whoever writes without a barrier is in conflict with one of them. One record of an earlier block of the
// launch is enough, because it is in conflict with every later block.
struct Cell {
  Record write, reads[2], atomic;
};

constexpr uintptr_t kPageBytes = 4096;
constexpr int kLargestShift = 4;
// The cells of a page of memory: of 16 bytes until the first access to less.
struct Page {
  bool shared = false;
  int shift = kLargestShift;
  std::vector<Cell> cells = std::vector<Cell>(kPageBytes >> kLargestShift);

  // Makes the cells small enough for an access.
  void split(int wanted) {
    if (wanted >= shift) return;
    const size_t copies = size_t{1} << (shift - wanted);
    std::vector<Cell> smaller;
    smaller.reserve(cells.size() * copies);
    for (const Cell& cell : cells) smaller.insert(smaller.end(), copies, cell);
    cells.swap(smaller);
    shift = wanted;
  }
};

constexpr size_t kMaxPages = 4096;  // about 1 GB of cells: then all are forgotten at the next launch
constexpr size_t kSlots = 1024;

struct Pages {
  std::unordered_map<uintptr_t, std::unique_ptr<Page>> all;
  struct Slot {
    uintptr_t key = 0;
    Page* page = nullptr;
  } recent[kSlots];

  void launch_begins() {
    if (all.size() > kMaxPages) all.clear();
    for (Slot& slot : recent) slot = {};
  }

  // Null where the memory is neither shared nor the device's.
  Page* find(uintptr_t address) {
    const auto* pointer = reinterpret_cast<const void*>(address);
    const bool shared = is_shared_memory(pointer, 1);
    const uintptr_t number = address / kPageBytes, key = number * 2 + (shared ? 1 : 0);
    Slot& slot = recent[number % kSlots];
    if (slot.key == key) return slot.page;
    slot = {key, nullptr};
    if (shared || is_device_memory(pointer, 1)) {
      std::unique_ptr<Page>& page = all[key];
      if (page == nullptr) page = std::make_unique<Page>();
      page->shared = shared;
      slot.page = page.get();
    }
    return slot.page;
  }
};

Clock& the_clock = *new Clock;
Pages& pages = *new Pages;

std::string name(int number) {
  const unsigned n = static_cast<unsigned>(number), x = position.block.x, y = position.block.y;
  return "thread (" + std::to_string(n % x) + ", " + std::to_string(n / x % y) + ", " +
         std::to_string(n / x / y) + ")";
}

const char* verb(Access kind) {
  return kind == Access::kRead ? "reads" : kind == Access::kWrite ? "writes" : "adds atomically";
}

[[noreturn]] void report(const Page& page, const Record& first, Access first_kind, const Record& second,
                         Access second_kind, const void* address) {
  const int thread = static_cast<int>(second.warp) * kLanes + __builtin_ctz(second.lanes);
  std::string who, why = "no barrier between them";
  if (!the_clock.in_block(first)) {
    who = "a thread of another block";
    why = "nothing orders the blocks of a launch";
  } else {
    uint32_t others = first.lanes;
    if (first.warp == second.warp) others &= ~second.lanes;
    if (others == 0) others = first.lanes;
    who = name(static_cast<int>(first.warp) * kLanes + __builtin_ctz(others));
    if (first.in_flight != 0) why = "the asynchronous copy has not been waited for";
    if (the_clock.before(first, thread)) why = "the asynchronous copy was under way";
  }
  stop("race at %p in %s memory: %s %s at %s; %s %s at %s: %s", address, page.shared ? "shared" : "global",
       who.c_str(), verb(first_kind), lines(first.code).c_str(), name(thread).c_str(), verb(second_kind),
       lines(second.code).c_str(), why.c_str());
}

// Of this launch, in memory that blocks share.
inline bool of_another_block(const Page& page, const Record& record) {
  return !page.shared && the_clock.in_launch(record) && !the_clock.in_block(record);
}

// Whether a record of this kind is in conflict with an access of the thread, where the kinds are.
inline bool in_conflict(const Page& page, const Record& record, int thread) {
  if (!the_clock.in_block(record)) return of_another_block(page, record);
  return record.in_flight != 0 || !the_clock.before(record, thread);
}

// Of the same warp, between the same barriers.
inline bool of_one_time(const Record& a, const Record& b) {
  return a.epoch == b.epoch && a.clock == b.clock && a.warp == b.warp;
}

// Joins `now` to what another access of the warp since the last barrier has left.
void join(Record& record, const Record& now) {
  if (record.clock == now.clock) {
    record.lanes |= now.lanes;
  } else if (record.clock < now.clock) {
    record = now;
  }
}

void remember_read(const Page& page, Cell& cell, const Record& now) {
  Record* free = nullptr;
  for (Record& read : cell.reads) {
    if (of_another_block(page, read)) return;
    if (read.epoch == now.epoch && read.warp == now.warp) return join(read, now);
    if (free == nullptr && read.epoch != now.epoch) free = &read;
  }
  if (free != nullptr) *free = now;
}

void remember_atomic(const Page& page, Cell& cell, const Record& now) {
  Record& atomic = cell.atomic;
  if (of_another_block(page, atomic)) return;
  if (atomic.epoch != now.epoch) {
    atomic = now;
  } else if (atomic.warp == now.warp) {
    join(atomic, now);
  } else {
    atomic.many_warps = 1;
  }
}

inline void visit(const Page& page, Cell& cell, Access kind, const Record& now, int thread,
                  const void* address) {
  // This lane has read it since the last barrier, and whoever wrote it since was found then.
  if (kind == Access::kRead && of_one_time(cell.reads[0], now) && (cell.reads[0].lanes & now.lanes) != 0)
    return;
  if (in_conflict(page, cell.write, thread)) report(page, cell.write, Access::kWrite, now, kind, address);
  if (kind != Access::kAtomic && in_conflict(page, cell.atomic, thread))
    report(page, cell.atomic, Access::kAtomic, now, kind, address);
  if (kind == Access::kRead) return remember_read(page, cell, now);
  for (const Record& read : cell.reads)
    if (in_conflict(page, read, thread)) report(page, read, Access::kRead, now, kind, address);
  if (kind == Access::kAtomic) return remember_atomic(page, cell, now);
  cell = {};
  cell.write = now;
}

// Calls visit(page, cell, address) for every cell of the bytes.
template <class Visit>
void each_cell(const void* address, size_t bytes, const Visit& each) {
  uintptr_t at = reinterpret_cast<uintptr_t>(address);
  const uintptr_t end = at + bytes;
  while (at < end) {
    const uintptr_t page_end = (at / kPageBytes + 1) * kPageBytes, until = end < page_end ? end : page_end;
    if (Page* page = pages.find(at); page != nullptr) {
      page->split(__builtin_ctzll(at | until | uintptr_t{1} << kLargestShift));
      const int shift = page->shift;
      for (; at < until; at += uintptr_t{1} << shift)
        each(*page, page->cells[at % kPageBytes >> shift], reinterpret_cast<const void*>(at));
    }
    at = until;
  }
}

}  // namespace

void launch_begins(size_t warps) {
  find_module();
  the_clock.launch_begins(warps);
  pages.launch_begins();
  launch.watched = true;
}

void launch_ends() { launch.watched = false; }

void block_begins() { the_clock.block_begins(); }

void block_synchronized() { the_clock.block_synchronized(); }

void warp_synchronized(int warp, uint32_t mask) { the_clock.warp_synchronized(warp, mask); }

void access(int thread, const void* address, size_t bytes, Access kind, const void* code) {
  const Record now = the_clock.now(thread, place(code));
  each_cell(address, bytes,
            [&](const Page& page, Cell& cell, const void* at) { visit(page, cell, kind, now, thread, at); });
}

uint32_t copy_issued(const void* shared, const void* global, const void* code) {
  const int thread = launch.running->number;
  if (global != nullptr) access(thread, global, 16, Access::kRead, code);
  Record now = the_clock.now(thread, place(code));
  now.in_flight = 1;
  each_cell(shared, 16, [&](const Page& page, Cell& cell, const void* at) {
    visit(page, cell, Access::kWrite, now, thread, at);
  });
  return the_clock.epoch();
}

void copy_waited(const void* shared, const void* global, uint32_t issue, const void* code) {
  const int thread = launch.running->number;
  const Record now = the_clock.now(thread, place(code));
  // Whoever touched it in flight was found then.
  each_cell(shared, 16, [&](const Page&, Cell& cell, const void*) { cell.write = now; });
  if (global == nullptr) return;
  each_cell(global, 16, [&](const Page& page, Cell& cell, const void* at) {
    if (the_clock.in_block(cell.write) && cell.write.epoch > issue)
      report(page, cell.write, Access::kWrite, now, Access::kRead, at);
    visit(page, cell, Access::kRead, now, thread, at);
  });
}

}  // namespace swirl::emulator::races

#endif  // SWIRL_EMULATOR_RACES
