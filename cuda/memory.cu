// Device memory and copies to and from it, in order with the kernels of the device's stream.
//
// Small uploads (token ids, positions, tree intervals) go through a ring of pinned slots: the call returns when
// the bytes are in a slot, and the stream never waits for them. Large ones (weights) are staged by the
// driver, which waits.
#include <cstring>
#include <new>

#include "cuda/ops.h"
#include "cuda/platform.cuh"
#include "cuda/runtime.cuh"

namespace swirl::cuda {
namespace {

constexpr size_t kSlotBytes = 64 * 1024;
constexpr int kSlots = 32;
constexpr size_t kStagedBytes = 8 * kSlotBytes;  // maximum size of an upload through the ring

}  // namespace

struct Staging {
  char* pinned = nullptr;         // [kSlots, kSlotBytes]
  cudaEvent_t read[kSlots] = {};  // recorded when the stream has read the slot
  int next = 0;
};

swirl_status open_staging(swirl_device* device) {
  device->staging = new (std::nothrow) Staging;
  if (device->staging == nullptr)
    return fail(device, SWIRL_OUT_OF_MEMORY, "cuda: no host memory for the device");
  swirl_status status = check(device,
                              cudaHostAlloc(reinterpret_cast<void**>(&device->staging->pinned),
                                            kSlots * kSlotBytes, cudaHostAllocDefault),
                              "no pinned memory for uploads");
  for (int i = 0; i < kSlots && status == SWIRL_OK; ++i)
    status = check(device, cudaEventCreateWithFlags(&device->staging->read[i], cudaEventDisableTiming),
                   "no event for uploads");
  return status;
}

void close_staging(swirl_device* device) {
  if (device->staging == nullptr) return;
  for (cudaEvent_t event : device->staging->read)
    if (event != nullptr) cudaEventDestroy(event);
  cudaFreeHost(device->staging->pinned);
  delete device->staging;
  device->staging = nullptr;
}

swirl_status memory_allocate(swirl_device* device, size_t bytes, void** out) {
  *out = nullptr;
  const std::string what =
      "cuda:" + std::to_string(device->ordinal) + ": no memory for " + std::to_string(bytes) + " bytes";
  const swirl_status status = check(device, cudaMalloc(out, bytes > 0 ? bytes : 64), what.c_str());
  if (status != SWIRL_OK) *out = nullptr;
  return status;
}

// Waits for the kernels that may still use it.
void memory_release(swirl_device*, void* memory) { cudaFree(memory); }

swirl_status memory_upload(swirl_device* device, void* to, const void* host_from, size_t bytes) {
  if (bytes == 0) return SWIRL_OK;
  if (bytes > kStagedBytes)
    return check(device, cudaMemcpyAsync(to, host_from, bytes, cudaMemcpyHostToDevice, device->stream),
                 "upload");
  Staging& staging = *device->staging;
  const char* from = static_cast<const char*>(host_from);
  for (size_t at = 0; at < bytes; at += kSlotBytes) {
    const size_t piece = bytes - at < kSlotBytes ? bytes - at : kSlotBytes;
    const int slot = staging.next;
    staging.next = (slot + 1) % kSlots;
    char* pinned = staging.pinned + static_cast<size_t>(slot) * kSlotBytes;
    swirl_status status = check(device, cudaEventSynchronize(staging.read[slot]), "upload");
    if (status != SWIRL_OK) return status;
    std::memcpy(pinned, from + at, piece);
    status = check(
        device,
        cudaMemcpyAsync(static_cast<char*>(to) + at, pinned, piece, cudaMemcpyHostToDevice, device->stream),
        "upload");
    if (status == SWIRL_OK)
      status = check(device, cudaEventRecord(staging.read[slot], device->stream), "upload");
    if (status != SWIRL_OK) return status;
  }
  return SWIRL_OK;
}

swirl_status memory_download(swirl_device* device, void* host_to, const void* from, size_t bytes) {
  if (bytes == 0) return SWIRL_OK;
  const swirl_status status = check(
      device, cudaMemcpyAsync(host_to, from, bytes, cudaMemcpyDeviceToHost, device->stream), "download");
  return status != SWIRL_OK ? status : check(device, cudaStreamSynchronize(device->stream), "download");
}

swirl_status memory_copy(swirl_device* device, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return SWIRL_OK;
  return check(device, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, device->stream), "copy");
}

swirl_status memory_zero(swirl_device* device, void* to, size_t bytes) {
  if (bytes == 0) return SWIRL_OK;
  return check(device, cudaMemsetAsync(to, 0, bytes, device->stream), "zero");
}

}  // namespace swirl::cuda
