#include "cuda/emulator/async_copy.h"

#include <cstdint>
#include <cstring>

#include "cuda/emulator/launch.h"
#include "cuda/emulator/memory.h"
#include "cuda/emulator/races.h"
#include "cuda/emulator/shared_memory.h"

namespace swirl::emulator {

void copy_async(void* shared, const void* global, bool valid) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0 ||
      (valid && reinterpret_cast<uintptr_t>(global) % 16 != 0))
    stop("copy_async_16 from %p to %p: both must be aligned to 16 bytes", global, shared);
  if (!is_shared_memory(shared, 16)) stop("copy_async_16 to %p, which is not in shared memory", shared);
  if (valid && !is_device_memory(global, 16))
    stop("copy_async_16 from %p, which is not in device memory", global);
  std::memset(shared, kPoison, 16);  // undefined until the wait
  const uint32_t issue = races::copy_issued(shared, valid ? global : nullptr, __builtin_return_address(0));
  launch.running->copies.push_back({shared, global, valid, launch.running->groups, issue});
}

void copy_async_close() { ++launch.running->groups; }

void copy_async_finish(int groups_left) {
  Thread* self = launch.running;
  size_t kept = 0;
  for (const AsyncCopy& copy : self->copies) {
    if (copy.group >= self->groups - groups_left) {
      self->copies[kept++] = copy;
      continue;
    }
    races::copy_waited(copy.shared, copy.valid ? copy.global : nullptr, copy.issue,
                       __builtin_return_address(0));
    if (copy.valid) {
      std::memcpy(copy.shared, copy.global, 16);
    } else {
      std::memset(copy.shared, 0, 16);
    }
  }
  self->copies.resize(kept);
}

}  // namespace swirl::emulator
