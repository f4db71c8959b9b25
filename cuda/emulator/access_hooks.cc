// What the compiler calls for every access to memory under -fsanitize=thread. The race detector (races.h) is behind
// them and not the sanitizer's library, which knows nothing of blocks and barriers: compile with the flag, link without.
// Only a kernel's own threads matter; their stacks do not.
#if defined(SWIRL_EMULATOR_RACES)

#include <cstddef>
#include <cstdint>

#include "cuda/emulator/launch.h"
#include "cuda/emulator/races.h"

namespace {

using swirl::emulator::launch;
using swirl::emulator::races::Access;

__attribute__((always_inline)) inline void seen(const volatile void* address, size_t bytes, Access kind,
                                                const void* code) {
  if (!launch.watched || launch.running == nullptr) return;
  const swirl::emulator::Stack& stack = launch.running->context.stack;
  const auto bottom = reinterpret_cast<uintptr_t>(stack.bottom);
  if (reinterpret_cast<uintptr_t>(address) - bottom < stack.bytes) return;
  if (reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) - bottom >= stack.bytes)
    return;  // the host's code
  swirl::emulator::races::access(launch.running->number, const_cast<const void*>(address), bytes, kind, code);
}

}  // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define SWIRL_HOOK(name, bytes, kind) \
  void name(void* address) { seen(address, bytes, Access::kind, __builtin_return_address(0)); }
#define SWIRL_HOOKS(bytes)                               \
  SWIRL_HOOK(__tsan_read##bytes, bytes, kRead)           \
  SWIRL_HOOK(__tsan_write##bytes, bytes, kWrite)         \
  SWIRL_HOOK(__tsan_unaligned_read##bytes, bytes, kRead) \
  SWIRL_HOOK(__tsan_unaligned_write##bytes, bytes, kWrite)
SWIRL_HOOKS(1)
SWIRL_HOOKS(2)
SWIRL_HOOKS(4)
SWIRL_HOOKS(8)
SWIRL_HOOKS(16)
#undef SWIRL_HOOKS
#undef SWIRL_HOOK

void __tsan_read_range(void* address, unsigned long bytes) {
  seen(address, bytes, Access::kRead, __builtin_return_address(0));
}
void __tsan_write_range(void* address, unsigned long bytes) {
  seen(address, bytes, Access::kWrite, __builtin_return_address(0));
}

// The compiler puts these in the place of the operations themselves.
#define SWIRL_ATOMIC(bits, type, name)                                    \
  type __tsan_atomic##bits##_##name(volatile type* at, type value, int) { \
    seen(at, sizeof(type), Access::kAtomic, __builtin_return_address(0)); \
    return __atomic_##name(at, value, __ATOMIC_SEQ_CST);                  \
  }
SWIRL_ATOMIC(32, uint32_t, fetch_add)
SWIRL_ATOMIC(64, uint64_t, fetch_add)
SWIRL_ATOMIC(32, uint32_t, fetch_or)
#undef SWIRL_ATOMIC
// Of the guards of local statics, in the host's code.
uint8_t __tsan_atomic8_load(const volatile uint8_t* at, int) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }

}  // extern "C"

#endif  // SWIRL_EMULATOR_RACES
