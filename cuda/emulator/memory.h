// Device memory of the emulation. Every allocation is between guard pages, its end as near to them as an alignment of
// 64 allows, and is filled with NaN. Outside the entries of the kernel table (an Access) all of it is inaccessible: a
// host that dereferences a device pointer crashes, as it would with a GPU.
#ifndef SWIRL_CUDA_EMULATOR_MEMORY_H_
#define SWIRL_CUDA_EMULATOR_MEMORY_H_

#include <cstddef>
#include <string>

namespace swirl::emulator {

// Content of memory that was never written: NaN as float32, bfloat16 and float64.
constexpr unsigned char kPoison = 0xff;

// One running entry of the kernel table. Entries exclude each other, whichever device they are for; an entry
// that calls another shares its access.
class Access {
 public:
  Access();
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;
};

// Null when out of memory. Only within an Access.
void* allocate(size_t bytes);
// False when `pointer` is not an allocation, or something wrote past its end; then `error` says so.
bool release(void* pointer, std::string* error);

bool is_device_memory(const void* pointer, size_t bytes);
// Whether any word of an argument is the address of host memory.
bool points_at_host(const void* argument, size_t bytes);
// Describes a forbidden address, for messages.
std::string describe_address(const void* pointer, const void* stack_bottom);

size_t bytes_in_use();

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_MEMORY_H_
