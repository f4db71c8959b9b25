// The emulated device and its memory: the counterpart of device.cu and memory.cu. There are two devices, so
// that a choice between them is tested.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cuda/device.h"
#include "cuda/emulator/memory.h"
#include "cuda/emulator/shared_memory.h"
#include "cuda/ops.h"

namespace swirl::cuda {
namespace {

constexpr int32_t kDevices = 2;
constexpr uint64_t kMemoryBytes = uint64_t{4} << 30;

swirl_status within_reach(swirl_device* device, const void* pointer, size_t bytes, const char* op) {
  if (bytes == 0 || emulator::is_device_memory(pointer, bytes)) return SWIRL_OK;
  return fail(device, SWIRL_INVALID, "%s: %zu bytes at %p are not device memory", op, bytes, pointer);
}

void give_back(void* memory) {
  std::string error;
  if (memory == nullptr || emulator::release(memory, &error)) return;
  std::fprintf(stderr, "emulator: %s\n", error.c_str());
  std::abort();
}

}  // namespace

int32_t device_count() { return kDevices; }

swirl_status device_open(int32_t ordinal, int32_t, swirl_device** out) {
  *out = nullptr;
  if (ordinal < 0 || ordinal >= kDevices)
    return fail(nullptr, SWIRL_INVALID, "cuda:%d does not exist: %d visible, cuda:0 to cuda:%d", ordinal,
                kDevices, kDevices - 1);
  auto* device = new (std::nothrow) swirl_device;
  if (device == nullptr) return fail(nullptr, SWIRL_OUT_OF_MEMORY, "cuda: no host memory for the device");
  device->ordinal = ordinal;
  device->multiprocessors = 4;
  device->capability = 90;
  device->shared_per_block = emulator::shared_limit();
  *out = device;
  return SWIRL_OK;
}

void device_close(swirl_device* device) {
  if (device == nullptr) return;
  const emulator::Access access;
  give_back(device->scratch);
  delete device;
}

swirl_status device_describe(swirl_device* device, swirl_device_info* out) {
  std::memset(out, 0, sizeof *out);
  std::snprintf(out->name, sizeof out->name, "cuda:%d", device->ordinal);
  std::snprintf(out->description, sizeof out->description, "emulated on the CPU, for tests");
  std::snprintf(out->matrix_library, sizeof out->matrix_library, "plain loops");
  std::snprintf(out->isa, sizeof out->isa, "emulated");
  out->memory_bytes = kMemoryBytes;
  const uint64_t used = emulator::bytes_in_use();
  out->memory_free = used < kMemoryBytes ? kMemoryBytes - used : 0;
  out->cores = device->multiprocessors;
  out->batch_rows = 1024;
  return SWIRL_OK;
}

swirl_status enter(swirl_device*) { return SWIRL_OK; }

swirl_status device_synchronize(swirl_device*) { return SWIRL_OK; }

// Always new memory of exactly this size, filled with NaN: nothing of the previous op survives.
void* reserve(swirl_device* device, size_t bytes) {
  give_back(device->scratch);
  device->scratch = emulator::allocate((bytes + 255) / 256 * 256);
  device->scratch_bytes = bytes;
  if (device->scratch == nullptr)
    fail(device, SWIRL_OUT_OF_MEMORY, "no memory for %zu bytes of scratch", bytes);
  return device->scratch;
}

swirl_status memory_allocate(swirl_device* device, size_t bytes, void** out) {
  *out = emulator::bytes_in_use() + bytes > kMemoryBytes ? nullptr : emulator::allocate(bytes);
  if (*out != nullptr) return SWIRL_OK;
  return fail(device, SWIRL_OUT_OF_MEMORY, "cuda:%d: no memory for %zu bytes", device->ordinal, bytes);
}

void memory_release(swirl_device*, void* memory) { give_back(memory); }

swirl_status memory_upload(swirl_device* device, void* to, const void* host_from, size_t bytes) {
  const swirl_status status = within_reach(device, to, bytes, "upload");
  if (status == SWIRL_OK && bytes > 0) std::memcpy(to, host_from, bytes);
  return status;
}

swirl_status memory_download(swirl_device* device, void* host_to, const void* from, size_t bytes) {
  const swirl_status status = within_reach(device, from, bytes, "download");
  if (status == SWIRL_OK && bytes > 0) std::memcpy(host_to, from, bytes);
  return status;
}

swirl_status memory_copy(swirl_device* device, void* to, const void* from, size_t bytes) {
  swirl_status status = within_reach(device, to, bytes, "copy");
  if (status == SWIRL_OK) status = within_reach(device, from, bytes, "copy");
  if (status == SWIRL_OK && bytes > 0) std::memmove(to, from, bytes);
  return status;
}

swirl_status memory_zero(swirl_device* device, void* to, size_t bytes) {
  const swirl_status status = within_reach(device, to, bytes, "zero");
  if (status == SWIRL_OK && bytes > 0) std::memset(to, 0, bytes);
  return status;
}

}  // namespace swirl::cuda
