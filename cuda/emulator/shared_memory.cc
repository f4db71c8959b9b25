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

Range fixed_shared_range, dynamic_shared_range;

namespace {

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

size_t room = 0;  // from its begin to the guard page

}  // namespace

size_t shared_limit() {
  const char* wish = std::getenv("SWIRL_EMULATOR_SHARED");
  const int kibibytes = wish != nullptr ? std::atoi(wish) : 0;
  return static_cast<size_t>(kibibytes > 0 && kibibytes <= 227 ? kibibytes : 227) * 1024;
}

unsigned char* dynamic_shared() {
  if (dynamic_shared_range.bytes == 0) stop("dynamic_shared() in a launch without dynamic shared memory");
  return dynamic_shared_range.begin;
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
  dynamic_shared_range = {pages + kBytes - room, bytes};
  return true;
}

void poison_shared() {
  fixed_shared_range = static_shared();
  std::memset(fixed_shared_range.begin, kPoison, fixed_shared_range.bytes);
  std::memset(dynamic_shared_range.begin, kPoison, room);
}

bool shared_end_is_whole() {
  for (size_t i = dynamic_shared_range.bytes; i < room; ++i)
    if (dynamic_shared_range.begin[i] != kPoison) return false;
  return true;
}

size_t dynamic_shared_bytes() { return dynamic_shared_range.bytes; }

}  // namespace swirl::emulator
