#include "cuda/emulator/block.h"

#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cuda/emulator/fiber.h"
#include "cuda/emulator/memory.h"

namespace swirl::emulator {

Position position;

namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr size_t kMaxSharedBytes = 227 * 1024;  // of Hopper
constexpr unsigned char kPoison = 0xff;         // NaN as float32, bfloat16 and float64

struct Copy {
  void* shared;
  const void* global;
  bool valid;
  int group;
};

struct Thread {
  Context context;
  Index index;
  int number = 0;
  bool started = false;
  // The warp meeting it waits at; mask 0: at none.
  uint32_t mask = 0;
  Site site = {};
  void* argument = nullptr;
  std::vector<Copy> copies;
  int groups = 0;  // closed so far
};

struct Warp {
  uint32_t present = 0;  // lanes that exist
  uint32_t ready = 0;
  uint32_t done = 0;
  uint32_t at_barrier = 0;
};

// The launch under way. One at a time: entries of the kernel table exclude each other in the emulation.
struct Launch {
  const char* op = "";
  const Call* call = nullptr;
  Context scheduler;
  Stacks stacks;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  Thread* running = nullptr;
  Thread* returned = nullptr;  // its stack is free once we have left it
  // The barrier of the whole block.
  int waiting = 0, done = 0;
  Site barrier = {};
  std::vector<void*> arguments;
  bool failed = false;
  bool reverse = false;
  char error[1024] = "";
  // Dynamic shared memory ends at a page that cannot be touched.
  unsigned char* shared_pages = nullptr;
  unsigned char* shared = nullptr;
  size_t shared_bytes = 0, shared_room = 0;
};
Launch launch;

// --- static shared memory: the module's thread-local block --------------------------------------------------
// __shared__ is `static thread_local` here, and nothing else in the module is thread-local, so the loader
// knows all of it.

thread_local unsigned char shared_anchor;

struct Range {
  unsigned char* begin = nullptr;
  size_t bytes = 0;
};

int find_shared(dl_phdr_info* info, size_t, void* out) {
  const auto anchor = reinterpret_cast<uintptr_t>(&shared_anchor);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_TLS || info->dlpi_tls_data == nullptr) continue;
    const auto begin = reinterpret_cast<uintptr_t>(info->dlpi_tls_data);
    if (anchor - begin >= info->dlpi_phdr[i].p_memsz) continue;
    *static_cast<Range*>(out) = {reinterpret_cast<unsigned char*>(begin), info->dlpi_phdr[i].p_memsz};
    return 1;
  }
  return 0;
}

Range static_shared() {
  Range range;
  dl_iterate_phdr(find_shared, &range);
  return range;
}

// --- errors -------------------------------------------------------------------------------------------------

std::string where(const Thread& thread) {
  char text[160];
  std::snprintf(text, sizeof text, "%s: block (%u, %u, %u), thread (%u, %u, %u)", launch.op,
                position.block_index.x, position.block_index.y, position.block_index.z, thread.index.x,
                thread.index.y, thread.index.z);
  return text;
}

const char* base_name(const char* file) {
  const char* slash = std::strrchr(file, '/');
  return slash == nullptr ? file : slash + 1;
}

std::string text(const Site& site) {
  return std::string(site.op) + " at " + base_name(site.file) + ":" + std::to_string(site.line);
}

void leave(Thread* thread, bool last) { switch_to(&thread->context, &launch.scheduler, last); }

}  // namespace

void stop(const char* format, ...) {
  char what[768];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  std::snprintf(launch.error, sizeof launch.error, "%s: %s", where(*launch.running).c_str(), what);
  launch.failed = true;
  leave(launch.running, true);
  std::abort();  // nobody comes back
}

int lane() { return launch.running->number % kLanes; }

unsigned char* dynamic_shared() {
  if (launch.shared_bytes == 0) stop("dynamic_shared() in a launch without dynamic shared memory");
  return launch.shared;
}

// --- meetings -----------------------------------------------------------------------------------------------

namespace {

bool same(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.op, b.op) == 0 && std::strcmp(a.file, b.file) == 0;
}

Thread& thread_of(int warp, int lane) { return launch.threads[static_cast<size_t>(warp * kLanes + lane)]; }

}  // namespace

void meet_warp(uint32_t mask, const Site& site, void* argument, void (*act)(void* const*, uint32_t)) {
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
  uint32_t arrived = own;
  for (int i = 0; i < kLanes; ++i) {
    if ((mask >> i & 1u) == 0) continue;
    const Thread& other = thread_of(number, i);
    if (other.mask == 0) continue;
    if (other.mask != mask || !same(other.site, site))
      stop("%s with mask %08x, but lane %d waits at %s with mask %08x", text(site).c_str(), mask, i,
           text(other.site).c_str(), other.mask);
    arrived |= 1u << i;
  }
  self->argument = argument;
  if (arrived != mask) {
    self->mask = mask;
    self->site = site;
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
  if (act != nullptr) act(arguments, mask);
  warp.ready |= mask & ~own;
}

void meet_block(const Site& site, void* argument, void (*act)(void* const*, int)) {
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
  for (int i = 0; i < kLanes; ++i) {
    if ((warp.present >> i & 1u) == 0) continue;
    const Thread& other = thread_of(self->number / kLanes, i);
    if ((other.mask >> lane() & 1u) != 0)
      stop("%s, but lane %d waits for this lane at %s", text(site).c_str(), i, text(other.site).c_str());
  }
  launch.arguments[static_cast<size_t>(self->number)] = argument;
  warp.at_barrier |= 1u << lane();
  if (++launch.waiting < threads) {
    leave(self, false);
    return;
  }
  launch.waiting = 0;
  if (act != nullptr) act(launch.arguments.data(), threads);
  for (Warp& each : launch.warps) {
    each.at_barrier = 0;
    each.ready = each.present;
  }
  warp.ready &= ~(1u << lane());  // this one is running
}

// --- asynchronous copies ------------------------------------------------------------------------------------

void copy_async(void* shared, const void* global, bool valid) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0 ||
      (valid && reinterpret_cast<uintptr_t>(global) % 16 != 0))
    stop("copy_async_16 from %p to %p: both must be aligned to 16 bytes", global, shared);
  const auto* to = static_cast<const unsigned char*>(shared);
  const Range fixed = static_shared();
  if (!(to >= launch.shared && to + 16 <= launch.shared + launch.shared_bytes) &&
      !(to >= fixed.begin && to + 16 <= fixed.begin + fixed.bytes))
    stop("copy_async_16 to %p, which is not in shared memory", shared);
  if (valid && !is_device_memory(global, 16))
    stop("copy_async_16 from %p, which is not in device memory", global);
  std::memset(shared, kPoison, 16);  // undefined until the wait
  launch.running->copies.push_back({shared, global, valid, launch.running->groups});
}

void copy_async_close() { ++launch.running->groups; }

void copy_async_finish(int groups_left) {
  Thread* self = launch.running;
  size_t kept = 0;
  for (const Copy& copy : self->copies) {
    if (copy.group >= self->groups - groups_left) {
      self->copies[kept++] = copy;
    } else if (copy.valid) {
      std::memcpy(copy.shared, copy.global, 16);
    } else {
      std::memset(copy.shared, 0, 16);
    }
  }
  self->copies.resize(kept);
}

// --- a block ------------------------------------------------------------------------------------------------

namespace {

void thread_main() {
  launch.call->run();
  Thread* self = launch.running;
  if (!self->copies.empty())
    stop("returns with %zu asynchronous copies that it never waited for", self->copies.size());
  if (launch.waiting > 0)
    stop("returns, but %d threads of the block wait at %s", launch.waiting, text(launch.barrier).c_str());
  const int number = self->number / kLanes;
  Warp& warp = launch.warps[static_cast<size_t>(number)];
  for (int i = 0; i < kLanes; ++i) {
    if ((warp.present >> i & 1u) == 0) continue;
    const Thread& other = thread_of(number, i);
    if ((other.mask >> lane() & 1u) != 0)
      stop("returns, but lane %d waits for it at %s", i, text(other.site).c_str());
  }
  warp.done |= 1u << lane();
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

// Who waits where, when nobody can go on.
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

void begin_block(Index block) {
  const Range fixed = static_shared();
  std::memset(fixed.begin, kPoison, fixed.bytes);
  std::memset(launch.shared, kPoison, launch.shared_room);
  launch.waiting = launch.done = 0;
  size_t number = 0;
  for (Warp& warp : launch.warps) warp = {};
  for (unsigned z = 0; z < block.z; ++z)
    for (unsigned y = 0; y < block.y; ++y)
      for (unsigned x = 0; x < block.x; ++x, ++number) {
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

bool run_block(Index block) {
  begin_block(block);
  const int warps = static_cast<int>(launch.warps.size());
  while (launch.done < static_cast<int>(launch.threads.size())) {
    bool moved = false;
    for (int i = 0; i < warps; ++i) {
      const int number = launch.reverse ? warps - 1 - i : i;
      Warp& warp = launch.warps[static_cast<size_t>(number)];
      while (warp.ready != 0) {
        const int next = launch.reverse ? 31 - __builtin_clz(warp.ready) : __builtin_ctz(warp.ready);
        warp.ready &= ~(1u << next);
        moved = true;
        resume(&thread_of(number, next));
        if (launch.failed) return false;
      }
    }
    if (!moved) {
      describe_deadlock();
      return false;
    }
  }
  for (size_t i = launch.shared_bytes; i < launch.shared_room; ++i) {
    if (launch.shared[i] == kPoison) continue;
    std::snprintf(launch.error, sizeof launch.error,
                  "%s: block (%u, %u, %u) wrote past the end of its %zu bytes of dynamic shared memory",
                  launch.op, position.block_index.x, position.block_index.y, position.block_index.z,
                  launch.shared_bytes);
    return false;
  }
  return true;
}

// Dynamic shared memory: as near to the guard page as an alignment of 128 lets it be.
bool place_shared(size_t bytes) {
  constexpr size_t kRoom = 256 * 1024;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (launch.shared_pages == nullptr) {
    void* memory =
        mmap(nullptr, kRoom + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    launch.shared_pages = static_cast<unsigned char*>(memory) + page;
    if (mprotect(launch.shared_pages, kRoom, PROT_READ | PROT_WRITE) != 0) return false;
  }
  launch.shared_bytes = bytes;
  launch.shared_room = (bytes + 127) / 128 * 128;
  launch.shared = launch.shared_pages + kRoom - launch.shared_room;
  return true;
}

// A fault inside a kernel becomes the launch's error.
#if !defined(__SANITIZE_ADDRESS__)
void faulted(int, siginfo_t* info, void*) {
  stop("touches %p: %s", info->si_addr,
       describe_address(info->si_addr, launch.running->context.stack.bottom).c_str());
}

class FaultHandler {
 public:
  FaultHandler() {
    static unsigned char* stack = new unsigned char[kBytes];
    const stack_t alternate = {stack, 0, kBytes};
    sigaltstack(&alternate, &stack_before_);
    struct sigaction action = {};
    action.sa_sigaction = faulted;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &segv_before_);
    sigaction(SIGBUS, &action, &bus_before_);
  }
  ~FaultHandler() {
    sigaction(SIGSEGV, &segv_before_, nullptr);
    sigaction(SIGBUS, &bus_before_, nullptr);
    sigaltstack(&stack_before_, nullptr);
  }

 private:
  static constexpr size_t kBytes = 64 * 1024;
  stack_t stack_before_;
  struct sigaction segv_before_, bus_before_;
};
#else
struct FaultHandler {
  FaultHandler() {}
};
#endif

}  // namespace

bool run_grid(const char* op, const Call& call, Index grid, Index block, size_t shared_bytes,
              std::string* error) {
  const size_t threads = static_cast<size_t>(block.x) * block.y * block.z;
  char text[256];
  if (threads == 0 || threads > kMaxThreads || grid.y > 65535 || grid.z > 65535 || grid.x > 0x7fffffffu ||
      shared_bytes > kMaxSharedBytes) {
    std::snprintf(text, sizeof text,
                  "%s: no GPU runs a grid (%u, %u, %u) of blocks (%u, %u, %u) with %zu bytes", op, grid.x,
                  grid.y, grid.z, block.x, block.y, block.z, shared_bytes);
    *error = text;
    return false;
  }
  if (const std::string wrong = call.wrong_argument(); !wrong.empty()) {
    *error = std::string(op) + ": " + wrong;
    return false;
  }
  const char* order = std::getenv("SWIRL_EMULATOR_ORDER");
  launch.op = op;
  launch.call = &call;
  launch.reverse = order != nullptr && std::strcmp(order, "reverse") == 0;
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
  const FaultHandler handler;
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t at = launch.reverse ? blocks - 1 - i : i;
    position.block_index = {static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y),
                            static_cast<unsigned>(at / grid.x / grid.y)};
    if (run_block(block)) continue;
    *error = launch.error;
    return false;  // the stacks of threads that never returned are lost with the failed launch
  }
  return true;
}

}  // namespace swirl::emulator
