#include <cstdlib>
#include <cstring>

#include "native/cpu/device.h"
#include "native/cpu/ops.h"

namespace swirl {

swirl_status memory_allocate(swirl_device* device, size_t bytes, void** out) {
  *out = nullptr;
  if (posix_memalign(out, 64, bytes > 0 ? bytes : 64) != 0) {
    *out = nullptr;
    return fail(device, SWIRL_OUT_OF_MEMORY, "cpu: no memory for %zu bytes", bytes);
  }
  return SWIRL_OK;
}

void memory_release(swirl_device*, void* memory) { std::free(memory); }

swirl_status memory_copy(swirl_device* device, void* to, const void* from, size_t bytes) {
  char* target = static_cast<char*>(to);
  const char* source = static_cast<const char*>(from);
  parallel_for(device, static_cast<int64_t>(bytes), 1 << 22, [&](int64_t begin, int64_t end) {
    std::memcpy(target + begin, source + begin, static_cast<size_t>(end - begin));
  });
  return SWIRL_OK;
}

swirl_status memory_zero(swirl_device* device, void* to, size_t bytes) {
  char* target = static_cast<char*>(to);
  parallel_for(device, static_cast<int64_t>(bytes), 1 << 22, [&](int64_t begin, int64_t end) {
    std::memset(target + begin, 0, static_cast<size_t>(end - begin));
  });
  return SWIRL_OK;
}

}  // namespace swirl
