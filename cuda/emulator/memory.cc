#include "cuda/emulator/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

#include "cuda/emulator/fiber.h"

namespace swirl::emulator {
namespace {

constexpr size_t kAlignment = 64;

struct Allocation {
  unsigned char* pages;  // between the guards
  size_t page_bytes;
  size_t bytes;
};

std::recursive_mutex& entering() {
  static auto* mutex = new std::recursive_mutex;  // never destroyed: it must outlive every engine thread
  return *mutex;
}
int depth = 0;
size_t in_use = 0;

std::map<const unsigned char*, Allocation>& allocations() {
  static auto* map = new std::map<const unsigned char*, Allocation>;
  return *map;
}

size_t page() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

void protect_all(int protection) {
  for (const auto& [pointer, allocation] : allocations())
    mprotect(allocation.pages, allocation.page_bytes, protection);
}

// The allocation that begins at or before `pointer`.
const Allocation* before(const void* pointer, const unsigned char** begin) {
  auto at = allocations().upper_bound(static_cast<const unsigned char*>(pointer));
  if (at == allocations().begin()) return nullptr;
  --at;
  *begin = at->first;
  return &at->second;
}

bool is_mapped(uintptr_t address) {
  unsigned char resident;
  const uintptr_t start = address / page() * page();
  return mincore(reinterpret_cast<void*>(start), 1, &resident) == 0 || errno != ENOMEM;
}

}  // namespace

Access::Access() {
  entering().lock();
  if (depth++ == 0) protect_all(PROT_READ | PROT_WRITE);
}

Access::~Access() {
  if (--depth == 0) protect_all(PROT_NONE);
  entering().unlock();
}

void* allocate(size_t bytes) {
  const size_t room = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t page_bytes = (room + page() - 1) / page() * page();
  void* memory =
      mmap(nullptr, page_bytes + 2 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  unsigned char* pages = static_cast<unsigned char*>(memory) + page();
  if (page_bytes > 0 && mprotect(pages, page_bytes, PROT_READ | PROT_WRITE) != 0) {
    munmap(memory, page_bytes + 2 * page());
    return nullptr;
  }
  std::memset(pages, kPoison, page_bytes);
  unsigned char* pointer = pages + page_bytes - room;
  allocations()[pointer] = {pages, page_bytes, bytes};
  in_use += bytes;
  return pointer;
}

bool release(void* pointer, std::string* error) {
  const auto at = allocations().find(static_cast<const unsigned char*>(pointer));
  if (at == allocations().end()) {
    *error = "release of a pointer that is not an allocation";
    return false;
  }
  const Allocation allocation = at->second;
  const unsigned char* begin = at->first;
  bool whole = true;
  for (const unsigned char* p = allocation.pages; p < begin; ++p) whole &= *p == kPoison;
  for (const unsigned char* p = begin + allocation.bytes; p < allocation.pages + allocation.page_bytes; ++p)
    whole &= *p == kPoison;
  if (!whole)
    *error = "something wrote outside an allocation of " + std::to_string(allocation.bytes) + " bytes";
  allocations().erase(at);
  in_use -= allocation.bytes;
  munmap(allocation.pages - page(), allocation.page_bytes + 2 * page());
  return whole;
}

bool is_device_memory(const void* pointer, size_t bytes) {
  const unsigned char* begin = nullptr;
  const Allocation* allocation = before(pointer, &begin);
  return allocation != nullptr &&
         static_cast<const unsigned char*>(pointer) + bytes <= begin + allocation->bytes;
}

bool points_at_host(const void* argument, size_t bytes) {
  const auto* words = static_cast<const unsigned char*>(argument);
  for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
    uintptr_t word;
    std::memcpy(&word, words + at, sizeof word);
    // Programs, heaps and stacks are at higher addresses; below, two adjacent small integers may look like an
    // address, and AddressSanitizer has all of it mapped.
    if (word < (uintptr_t{0x5000} << 32) || word >= (uintptr_t{1} << 47)) continue;
    if (!is_device_memory(reinterpret_cast<const void*>(word), 0) && is_mapped(word)) return true;
  }
  return false;
}

std::string describe_address(const void* pointer, const void* stack_bottom) {
  const auto* address = static_cast<const unsigned char*>(pointer);
  const auto* stack = static_cast<const unsigned char*>(stack_bottom);
  if (address < stack && address >= stack - kGuardBytes) return "the thread's stack is full";
  for (const auto& [begin, allocation] : allocations()) {
    const std::string size = std::to_string(allocation.bytes) + " bytes of device memory";
    if (address >= allocation.pages - page() && address < begin)
      return std::to_string(begin - address) + " bytes before " + size;
    if (address >= begin + allocation.bytes && address < allocation.pages + allocation.page_bytes + page())
      return std::to_string(address - begin - static_cast<ptrdiff_t>(allocation.bytes)) +
             " bytes past the end of " + size;
  }
  return "neither device memory nor this block's shared memory";
}

size_t bytes_in_use() { return in_use; }

}  // namespace swirl::emulator
