// Makes one allocation of the addon fail: preloaded into Node (LD_PRELOAD) by failing-allocations.test.ts.
//
// The file that SWIRL_ALLOCATION_CONTROL names is mapped as the struct below, and the test program writes `countdown`:
// the countdown-th allocation from now on that the addon asks for fails, once. Node's and V8's own allocations are left
// alone, because they are not made to survive a failure: an allocation is the addon's when the innermost caller outside
// this file and the C++ library is in the addon.
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

struct Control {
  std::atomic<int64_t> countdown;  // 0 = no failure
  std::atomic<int64_t> failed;
};

Control* control() {
  static Control* const mapped = []() -> Control* {
    const char* path = std::getenv("SWIRL_ALLOCATION_CONTROL");
    if (path == nullptr) return nullptr;
    const int file = open(path, O_RDWR);
    void* memory = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? nullptr : static_cast<Control*>(memory);
  }();
  return mapped;
}

struct Range {
  uintptr_t begin = 0, end = 0;
  bool holds(uintptr_t at) const { return at >= begin && at < end; }
};

struct Ranges {
  Range addon, cxx, own;
};

int read_range(dl_phdr_info* info, size_t, void* out) {
  auto* ranges = static_cast<Ranges*>(out);
  Range range{UINTPTR_MAX, 0};
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    const uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    if (begin < range.begin) range.begin = begin;
    if (begin + info->dlpi_phdr[i].p_memsz > range.end) range.end = begin + info->dlpi_phdr[i].p_memsz;
  }
  if (std::strstr(info->dlpi_name, "swirl.node") != nullptr) ranges->addon = range;
  if (std::strstr(info->dlpi_name, "libstdc++") != nullptr) ranges->cxx = range;
  if (range.holds(reinterpret_cast<uintptr_t>(&read_range))) ranges->own = range;
  return 0;
}

const Ranges& ranges() {
  static Ranges found;
  if (found.addon.end == 0) dl_iterate_phdr(read_range, &found);
  return found;
}

_Unwind_Reason_Code look(_Unwind_Context* context, void* out) {
  const uintptr_t at = _Unwind_GetIP(context);
  const Ranges& known = ranges();
  if (known.own.holds(at) || known.cxx.holds(at)) return _URC_NO_REASON;
  *static_cast<bool*>(out) = known.addon.holds(at);
  return _URC_END_OF_STACK;
}

// Whether the addon asks for this allocation: `caller` does, or who called the C++ library that does.
bool asked_by_addon(uintptr_t caller) {
  if (!ranges().cxx.holds(caller)) return ranges().addon.holds(caller);
  static thread_local bool within = false;  // the unwinder may allocate
  if (within) return false;
  within = true;
  bool ours = false;
  _Unwind_Backtrace(look, &ours);
  within = false;
  return ours;
}

// True when this allocation is the one to fail.
bool fails(void* caller) {
  Control* const state = control();
  if (state == nullptr || state->countdown.load() <= 0) return false;
  if (!asked_by_addon(reinterpret_cast<uintptr_t>(caller)) || state->countdown.fetch_sub(1) != 1)
    return false;
  state->failed.fetch_add(1);
  return true;
}

void* allocate(size_t bytes, size_t alignment, void* caller) {
  if (fails(caller)) return nullptr;
  if (alignment == 0) return std::malloc(bytes == 0 ? 1 : bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(size_t bytes, size_t alignment, void* caller) {
  void* memory = allocate(bytes, alignment, caller);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

#define CALLER __builtin_return_address(0)
void* operator new(size_t n) { return allocate_or_throw(n, 0, CALLER); }
void* operator new[](size_t n) { return allocate_or_throw(n, 0, CALLER); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return allocate(n, 0, CALLER); }
void* operator new[](size_t n, const std::nothrow_t&) noexcept { return allocate(n, 0, CALLER); }
void* operator new(size_t n, std::align_val_t to) { return allocate_or_throw(n, size_t(to), CALLER); }
void* operator new[](size_t n, std::align_val_t to) { return allocate_or_throw(n, size_t(to), CALLER); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

// The engine's buffers.
extern "C" int posix_memalign(void** out, size_t alignment, size_t bytes) {
  using Function = int (*)(void**, size_t, size_t);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "posix_memalign"));
  return fails(CALLER) ? ENOMEM : next(out, alignment, bytes);
}
