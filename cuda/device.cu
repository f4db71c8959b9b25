// Opening a GPU: Ampere (compute capability 8.0) or later. CUDA_VISIBLE_DEVICES selects
// and numbers the GPUs, as in every CUDA program: cuda:1 is the second visible one.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "cuda/device.h"
#include "cuda/ops.h"
#include "cuda/platform.cuh"
#include "cuda/runtime.cuh"

namespace swirl::cuda {
namespace {

constexpr int kLeastCapability = 80;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Why there is no device, with the remedy.
std::string absence(cudaError_t error) {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (driver == 0)
    return "there is no NVIDIA driver (libcuda.so.1); install one and see that nvidia-smi runs";
  if (error == cudaErrorInsufficientDriver)
    return "the NVIDIA driver offers CUDA " + version_text(driver) + ", this module was built with CUDA " +
           version_text(runtime) + "; update the driver, or build with an older toolkit";
  if (error == cudaErrorNoDevice || error == cudaSuccess)
    return visible != nullptr
               ? std::string("no GPU is visible: CUDA_VISIBLE_DEVICES is \"") + visible + "\""
               : std::string("the NVIDIA driver runs but finds no GPU; see that nvidia-smi lists one");
  return std::string("the NVIDIA driver does not start: ") + cudaGetErrorString(error);
}

int capability_of(int ordinal) {
  int major = 0, minor = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal);
  return 10 * major + minor;
}

std::string name_of(int ordinal) {
  cudaDeviceProp properties = {};
  return cudaGetDeviceProperties(&properties, ordinal) == cudaSuccess ? properties.name : "an unknown GPU";
}

swirl_status open_parts(swirl_device* device) {
  swirl_status status = check(device, cudaSetDevice(device->ordinal), "the device does not start");
  if (status != SWIRL_OK) return status;
  int major = 0, minor = 0, multiprocessors = 0, shared = 0;
  const std::pair<cudaDeviceAttr, int*> wanted[] = {{cudaDevAttrComputeCapabilityMajor, &major},
                                                    {cudaDevAttrComputeCapabilityMinor, &minor},
                                                    {cudaDevAttrMultiProcessorCount, &multiprocessors},
                                                    {cudaDevAttrMaxSharedMemoryPerBlockOptin, &shared}};
  for (const auto& [attribute, out] : wanted) {
    status = check(device, cudaDeviceGetAttribute(out, attribute, device->ordinal),
                   "the device does not describe itself");
    if (status != SWIRL_OK) return status;
  }
  device->capability = 10 * major + minor;
  device->name = name_of(device->ordinal);
  if (device->capability < kLeastCapability)
    return fail(device, SWIRL_UNSUPPORTED,
                "cuda:%d, %s, has compute capability %d.%d; 8.0 (Ampere) is the least", device->ordinal,
                device->name.c_str(), device->capability / 10, device->capability % 10);
  device->multiprocessors = multiprocessors;
  device->shared_per_block = static_cast<size_t>(shared);
  status = check(device, cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking),
                 "no stream for the device");
  if (status == SWIRL_OK) status = open_staging(device);
  if (status == SWIRL_OK) status = open_matrix_library(device);
  return status;
}

void close_parts(swirl_device* device) {
  if (device->stream != nullptr) cudaStreamSynchronize(device->stream);
  close_matrix_library(device);
  close_staging(device);
  cudaFree(device->scratch);
  if (device->stream != nullptr) cudaStreamDestroy(device->stream);
}

// SWIRL_CUDA_SYNC=1 waits after every launch, so that a kernel's fault is reported with its own name.
bool waits_after_launch() {
  static const bool waits = [] {
    const char* wish = std::getenv("SWIRL_CUDA_SYNC");
    return wish != nullptr && std::strcmp(wish, "1") == 0;
  }();
  return waits;
}

// Errors after which CUDA rejects every further call in this process: the context is corrupt.
bool is_sticky(cudaError_t error) {
  switch (error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
      return true;
    default:
      return false;
  }
}

// Records a failure, and whether the device survives it: after a corrupting error of any code the stream fails too.
swirl_status settle(swirl_device* device, cudaError_t error, const std::string& text) {
  bool lost = is_sticky(error);
  if (!lost && device->stream != nullptr) {
    const cudaError_t stream = cudaStreamQuery(device->stream);
    cudaGetLastError();
    lost = stream != cudaSuccess && stream != cudaErrorNotReady && stream != cudaErrorInvalidResourceHandle;
  }
  if (!lost)
    return fail(device, error == cudaErrorMemoryAllocation ? SWIRL_OUT_OF_MEMORY : SWIRL_DEVICE_ERROR, "%s",
                text.c_str());
  fail(device, SWIRL_DEVICE_LOST, "cuda:%d is lost: %s", device->ordinal, text.c_str());
  device->lost = true;
  return SWIRL_DEVICE_LOST;
}

template <size_t N>
void put(char (&to)[N], const std::string& text) {
  std::snprintf(to, N, "%s", text.c_str());
}

}  // namespace

swirl_status check(swirl_device* device, cudaError_t error, const char* what) {
  if (error == cudaSuccess) return SWIRL_OK;
  cudaGetLastError();  // clears it, so that the next launch does not report it
  return settle(device, error,
                std::string(what) + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

swirl_status enter(swirl_device* device) {
  if (device->lost) return SWIRL_DEVICE_LOST;
  return check(device, cudaSetDevice(device->ordinal), "the device does not answer");
}

// Queried once: the answer does not change, and after a lost device CUDA may not give it again.
int32_t device_count() {
  static std::atomic<int32_t> known{0};
  if (known > 0) return known;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    cudaGetLastError();
    fail(nullptr, SWIRL_UNSUPPORTED, "%s", absence(error).c_str());
    return 0;
  }
  for (int i = 0; i < count; ++i)
    if (capability_of(i) >= kLeastCapability) return known = count;
  const int capability = capability_of(0);
  fail(nullptr, SWIRL_UNSUPPORTED, "%s has compute capability %d.%d; 8.0 (Ampere) is the least",
       name_of(0).c_str(), capability / 10, capability % 10);
  return 0;
}

swirl_status device_open(int32_t ordinal, int32_t, swirl_device** out) {
  *out = nullptr;
  const int32_t count = device_count();
  if (count == 0) return SWIRL_UNSUPPORTED;  // the reason is already set
  if (ordinal < 0 || ordinal >= count)
    return fail(nullptr, SWIRL_INVALID, "cuda:%d does not exist: %d visible, cuda:0 to cuda:%d", ordinal,
                count, count - 1);
  auto* device = new (std::nothrow) swirl_device;
  if (device == nullptr) return fail(nullptr, SWIRL_OUT_OF_MEMORY, "cuda: no host memory for the device");
  device->ordinal = ordinal;
  const swirl_status status = open_parts(device);
  if (status != SWIRL_OK) {
    fail(nullptr, status, "%s", device->error.c_str());
    // Frees what the open has allocated, as far as CUDA still allows it.
    close_parts(device);
    delete device;
    return status;
  }
  *out = device;
  return SWIRL_OK;
}

// A lost device's memory is gone with its context; only host memory is freed.
void device_close(swirl_device* device) {
  if (device == nullptr) return;
  cudaSetDevice(device->ordinal);
  close_parts(device);
  delete device;
}

swirl_status device_describe(swirl_device* device, swirl_device_info* out) {
  std::memset(out, 0, sizeof *out);
  size_t free = 0, total = 0;
  const swirl_status status = check(device, cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  if (status != SWIRL_OK) return status;
  put(out->name, "cuda:" + std::to_string(device->ordinal));
  put(out->description, device->name);
  put(out->matrix_library, matrix_library_name(device));
  put(out->isa, "sm_" + std::to_string(device->capability));
  out->memory_bytes = total;
  out->memory_free = free;
  out->cores = device->multiprocessors;
  out->batch_rows =
      8192;  // 64 tiles of 128 rows: with a few hundred columns each, every multiprocessor has work
  return SWIRL_OK;
}

swirl_status device_synchronize(swirl_device* device) {
  return check(device, cudaStreamSynchronize(device->stream), "synchronize");
}

void* reserve(swirl_device* device, size_t bytes) {
  if (bytes <= device->scratch_bytes && device->scratch != nullptr) return device->scratch;
  if (check(device, cudaStreamSynchronize(device->stream), "scratch") != SWIRL_OK) return nullptr;
  cudaFree(device->scratch);
  device->scratch = nullptr;
  device->scratch_bytes = 0;
  const size_t room = (bytes + (size_t{1} << 20)) >> 20 << 20;  // whole MiB, so that it rarely grows
  const std::string what = std::to_string(bytes) + " bytes of scratch";
  if (check(device, cudaMalloc(&device->scratch, room), what.c_str()) != SWIRL_OK) {
    device->scratch = nullptr;
    return nullptr;
  }
  device->scratch_bytes = room;
  return device->scratch;
}

swirl_status allow_shared(swirl_device* device, const char* op, const void* kernel, size_t bytes) {
  size_t& allowed = device->shared_allowed[kernel];
  if (bytes <= allowed) return SWIRL_OK;
  const cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (error == cudaErrorInvalidValue) {
    cudaGetLastError();
    return fail(device, SWIRL_UNSUPPORTED, "%s needs %zu bytes of shared memory, %s gives a block %zu", op,
                bytes, device->name.c_str(), device->shared_per_block);
  }
  if (error != cudaSuccess) return check(device, error, op);
  allowed = bytes;
  return SWIRL_OK;
}

swirl_status launched(swirl_device* device, cudaError_t error, const char* op, dim3 grid, dim3 block,
                      size_t dynamic_shared_bytes) {
  if (error == cudaSuccess && waits_after_launch()) error = cudaStreamSynchronize(device->stream);
  if (error == cudaSuccess) return SWIRL_OK;
  cudaGetLastError();
  char text[512];
  std::snprintf(
      text, sizeof text, "%s: %s (%s; grid %u × %u × %u, block %u × %u × %u, %zu bytes of shared memory)%s",
      op, cudaGetErrorString(error), cudaGetErrorName(error), grid.x, grid.y, grid.z, block.x, block.y,
      block.z, dynamic_shared_bytes,
      waits_after_launch() ? "" : "; an earlier kernel may be the cause: SWIRL_CUDA_SYNC=1 finds it");
  return settle(device, error, text);
}

}  // namespace swirl::cuda
