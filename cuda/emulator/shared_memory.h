// Shared memory of the running block.
//
// Static: __shared__ is `static thread_local` (language.h), and nothing else in the module is thread-local, so
// the module's thread-local block is all of it. Dynamic: as many bytes as the launch asks for, as near to a
// guard page as an alignment of 128 allows. Both hold NaN when a block begins.
#ifndef SWIRL_CUDA_EMULATOR_SHARED_MEMORY_H_
#define SWIRL_CUDA_EMULATOR_SHARED_MEMORY_H_

#include <cstddef>

namespace swirl::emulator {

// Of a block: SWIRL_EMULATOR_SHARED in KiB, 99 (GeForce, A10G, L4, L40S), 163 (A100) or 227 (Hopper, the default).
size_t shared_limit();

// For kernels. In a launch without dynamic shared memory it stops the launch.
unsigned char* dynamic_shared();

// For a launch: makes room for `bytes` of dynamic shared memory. False when out of memory.
bool place_shared(size_t bytes);
// For a block: fills all of it with NaN.
void poison_shared();
// False when something wrote between the end of the dynamic shared memory and the guard page.
bool shared_end_is_whole();

struct Range {
  unsigned char* begin = nullptr;
  size_t bytes = 0;
  bool holds(const void* pointer, size_t count) const {
    const auto* at = static_cast<const unsigned char*>(pointer);
    return at >= begin && at + count <= begin + bytes;
  }
};
// Static as the block that began last has found it.
extern Range fixed_shared_range, dynamic_shared_range;

inline bool is_shared_memory(const void* pointer, size_t bytes) {
  return dynamic_shared_range.holds(pointer, bytes) || fixed_shared_range.holds(pointer, bytes);
}
size_t dynamic_shared_bytes();

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_SHARED_MEMORY_H_
