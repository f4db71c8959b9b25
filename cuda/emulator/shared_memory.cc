#include "cuda/emulator/shared_memory.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "cuda/emulator/memory.h"
#include "cuda/emulator/thread.h"

namespace swirl::emulator {
namespace {

struct Range {
  unsigned char* begin = nullptr;
  size_t bytes = 0;
};

bool holds(const Range& range, const void* pointer, size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(pointer);
  return at >= range.begin && at + bytes <= range.begin + range.bytes;
}

thread_local unsigned char anchor;

// The loader knows the module's thread-local block: the one that contains the anchor.
int find_static(dl_phdr_info* info, size_t, void* out) {
  const auto at = reinterpret_cast<uintptr_t>(&anchor);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_TLS || info->dlpi_tls_data == nullptr) continue;
    const auto begin = reinterpret_cast<uintptr_t>(info->dlpi_tls_data);
    if (at - begin >= info->dlpi_phdr[i].p_memsz) continue;
    *static_cast<Range*>(out) = {reinterpret_cast<unsigned char*>(begin), info->dlpi_phdr[i].p_memsz};
    return 1;
  }
  return 0;
}

Range static_shared() {
  Range range;
  dl_iterate_phdr(find_static, &range);
  return range;
}

Range fixed;  // as the block that began last has found it
Range dynamic;
size_t room = 0;  // from its begin to the guard page

}  // namespace

size_t shared_limit() {
  const char* wish = std::getenv("SWIRL_EMULATOR_SHARED");
  const int kibibytes = wish != nullptr ? std::atoi(wish) : 0;
  return static_cast<size_t>(kibibytes > 0 && kibibytes <= 227 ? kibibytes : 227) * 1024;
}

unsigned char* dynamic_shared() {
  if (dynamic.bytes == 0) stop("dynamic_shared() in a launch without dynamic shared memory");
  return dynamic.begin;
}

bool place_shared(size_t bytes) {
  constexpr size_t kBytes = 256 * 1024;
  static unsigned char* pages = nullptr;
  if (pages == nullptr) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* memory =
        mmap(nullptr, kBytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    pages = static_cast<unsigned char*>(memory) + page;
    if (mprotect(pages, kBytes, PROT_READ | PROT_WRITE) != 0) return false;
  }
  room = (bytes + 127) / 128 * 128;
  dynamic = {pages + kBytes - room, bytes};
  return true;
}

void poison_shared() {
  fixed = static_shared();
  std::memset(fixed.begin, kPoison, fixed.bytes);
  std::memset(dynamic.begin, kPoison, room);
}

bool shared_end_is_whole() {
  for (size_t i = dynamic.bytes; i < room; ++i)
    if (dynamic.begin[i] != kPoison) return false;
  return true;
}

bool is_shared_memory(const void* pointer, size_t bytes) {
  return holds(dynamic, pointer, bytes) || holds(fixed, pointer, bytes);
}

size_t dynamic_shared_bytes() { return dynamic.bytes; }

}  // namespace swirl::emulator
