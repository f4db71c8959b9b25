// A CUDA runtime without a GPU, for the host code of the backend (device.cu, memory.cu, gemm.cu): two devices whose
// memory and kernels are the emulator's. It keeps the runtime's own rules where host code can break them:
//  - a launch into a stream of another device than the current one fails;
//  - a copy from pinned memory reads it late: when the stream, or an event after it, is waited for, or when the next
//    work of the stream needs it;
//  - the sum of static and dynamic shared memory is 48 KiB unless the kernel was allowed more;
//  - an error that corrupts the context comes back from every later call on that device.
#include "cuda/standin/runtime.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "cuda/emulator/grid.h"
#include "cuda/emulator/memory.h"
#include "cuda/emulator/shared_memory.h"
#include "cuda/platform.cuh"
#include "cuda/runtime.cuh"
#include "cuda/standin/stream.h"

struct CUevent_st {
  CUstream_st* stream = nullptr;
  size_t after = 0;  // works of the stream that were queued when it was recorded
};
struct LateCopy {
  void* to;
  const void* from;
  size_t bytes;
};
struct CUstream_st {
  swirl_standin_stream shown = {};
  int device = 0;
  std::vector<LateCopy> late;
  size_t done = 0;  // copies done since the stream began
};

namespace {

constexpr int kDevices = 2;
constexpr size_t kMemory = size_t{4} << 30;
constexpr size_t kPlainShared = 48 * 1024;
constexpr size_t kStaticShared = 128;  // assumed static shared memory of a kernel: one reduction over a block

struct Runtime {
  swirl_standin_counts counts = {};
  int current = 0;
  cudaError_t last = cudaSuccess;
  cudaError_t corrupt[kDevices] = {};
  int64_t fail_in = -1;
  cudaError_t fail_with = cudaSuccess;
  const char* failed = nullptr;
  bool computes = true;
  int driver = 13000;
  std::map<const void*, int> memory;  // allocation -> device
  std::map<const char*, size_t> pinned;
  std::set<CUstream_st*> streams;
  std::set<CUevent_st*> events;
  std::map<std::pair<int, const void*>, size_t> allowed;  // device, kernel -> dynamic shared bytes
};
Runtime& runtime() {
  static auto* all = new Runtime;
  return *all;
}

bool corrupts(cudaError_t error) {
  return error == cudaErrorECCUncorrectable || error == cudaErrorNvlinkUncorrectable ||
         error == cudaErrorContextIsDestroyed ||
         (error >= cudaErrorIllegalAddress && error <= cudaErrorLaunchFailure &&
          error != cudaErrorLaunchOutOfResources);
}

cudaError_t failed(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) runtime().last = error;
  return error;
}

// The start of every call: the error that it must fail with before it does anything.
cudaError_t begin(const char* name) {
  Runtime& r = runtime();
  ++r.counts.calls;
  if (r.corrupt[r.current] != cudaSuccess) return failed(r.corrupt[r.current]);
  if (r.fail_in < 0 || r.fail_in-- > 0) return cudaSuccess;
  r.failed = name;
  if (corrupts(r.fail_with)) r.corrupt[r.current] = r.fail_with;
  return failed(r.fail_with);
}
#define BEGIN(name)                     \
  const swirl::emulator::Access access; \
  if (const cudaError_t broken = begin(name); broken != cudaSuccess) return broken

bool is_memory(const void* pointer, size_t bytes) {
  Runtime& r = runtime();
  const auto at = r.memory.upper_bound(pointer);
  if (at == r.memory.begin()) return false;
  return std::prev(at)->second == r.current && swirl::emulator::is_device_memory(pointer, bytes);
}
bool is_pinned(const void* pointer) {
  const auto& pinned = runtime().pinned;
  const auto at = pinned.upper_bound(static_cast<const char*>(pointer));
  if (at == pinned.begin()) return false;
  const auto& [begin, bytes] = *std::prev(at);
  return static_cast<const char*>(pointer) < begin + bytes;
}

void finish(CUstream_st* stream, size_t until) {
  size_t i = 0;
  for (; i < stream->late.size() && stream->done < until; ++i, ++stream->done)
    std::memcpy(stream->late[i].to, stream->late[i].from, stream->late[i].bytes);
  stream->late.erase(stream->late.begin(), stream->late.begin() + static_cast<ptrdiff_t>(i));
}
void finish(CUstream_st* stream) { finish(stream, SIZE_MAX); }
void finish_shown(swirl_standin_stream* stream) { finish(reinterpret_cast<CUstream_st*>(stream)); }

bool lives(CUstream_st* stream) { return runtime().streams.count(stream) > 0; }

}  // namespace

// --- for tests ------------------------------------------------------------------------------------------------
#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED void swirl_standin_read(swirl_standin_counts* out) {
  Runtime& r = runtime();
  *out = r.counts;
  out->memory = static_cast<int64_t>(r.memory.size());
  out->pinned = static_cast<int64_t>(r.pinned.size());
  out->streams = static_cast<int64_t>(r.streams.size());
  out->events = static_cast<int64_t>(r.events.size());
}
EXPORTED void swirl_standin_fail(int64_t number, int error) {
  Runtime& r = runtime();
  r.fail_in = number;
  r.fail_with = static_cast<cudaError_t>(error);
  r.failed = nullptr;
  r.last = cudaSuccess;
  const swirl::emulator::Access access;
  for (int device = 0; device < kDevices; ++device) {
    if (r.corrupt[device] == cudaSuccess) continue;
    // The process that had such a context has ended, and its memory with it.
    r.corrupt[device] = cudaSuccess;
    for (auto at = r.memory.begin(); at != r.memory.end();) {
      std::string error_text;
      if (at->second == device) swirl::emulator::release(const_cast<void*>(at->first), &error_text);
      at = at->second == device ? r.memory.erase(at) : std::next(at);
    }
    for (const auto& [pinned, bytes] : r.pinned) delete[] pinned;
    for (CUevent_st* event : r.events) delete event;
    for (CUstream_st* stream : r.streams) delete stream;
    r.pinned.clear(), r.events.clear(), r.streams.clear();
  }
}
EXPORTED const char* swirl_standin_failed() { return runtime().failed; }
EXPORTED void swirl_standin_compute(int computes) { runtime().computes = computes != 0; }
EXPORTED void swirl_standin_driver(int version) { runtime().driver = version; }

// --- the runtime ----------------------------------------------------------------------------------------------
cudaError_t cudaDriverGetVersion(int* out) {
  BEGIN("cudaDriverGetVersion");
  *out = runtime().driver;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* out) {
  BEGIN("cudaRuntimeGetVersion");
  *out = 13000;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* out) {
  BEGIN("cudaGetDeviceCount");
  *out = kDevices;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  const swirl::emulator::Access entered;
  if (device < 0 || device >= kDevices) return failed(cudaErrorInvalidDevice);
  runtime().current = device;
  BEGIN("cudaSetDevice");
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* out, cudaDeviceAttr attribute, int device) {
  BEGIN("cudaDeviceGetAttribute");
  if (device < 0 || device >= kDevices) return failed(cudaErrorInvalidDevice);
  const size_t shared = swirl::emulator::shared_limit();
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *out = 4;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *out = shared == 227 * 1024 ? 9 : 8;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *out = shared == 99 * 1024 ? 9 : 0;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *out = static_cast<int>(shared);
      return cudaSuccess;
  }
  return failed(cudaErrorInvalidValue);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* out, int device) {
  ++runtime().counts.describes;
  BEGIN("cudaGetDeviceProperties");
  if (device < 0 || device >= kDevices) return failed(cudaErrorInvalidDevice);
  std::strcpy(out->name, "a stand-in for a GPU, for tests");
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  ++runtime().counts.describes;
  BEGIN("cudaMemGetInfo");
  *total = kMemory;
  *free = kMemory - std::min(kMemory, swirl::emulator::bytes_in_use());
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  Runtime& r = runtime();
  const cudaError_t error = r.last;
  r.last = r.corrupt[r.current];  // is never cleared
  return error;
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory"
         : error == cudaErrorIllegalAddress ? "an illegal memory access was encountered"
         : error == cudaErrorLaunchFailure  ? "unspecified launch failure"
         : error == cudaErrorInvalidValue   ? "invalid argument"
                                            : "an error of the stand-in";
}
const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation"
         : error == cudaErrorIllegalAddress ? "cudaErrorIllegalAddress"
         : error == cudaErrorLaunchFailure  ? "cudaErrorLaunchFailure"
         : error == cudaErrorInvalidValue   ? "cudaErrorInvalidValue"
                                            : "cudaErrorOther";
}
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  BEGIN("cudaFuncSetAttribute");
  Runtime& r = runtime();
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      static_cast<size_t>(value) > swirl::emulator::shared_limit())
    return failed(cudaErrorInvalidValue);
  r.allowed[{r.current, kernel}] = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned flags) {
  BEGIN("cudaStreamCreateWithFlags");
  if (flags != cudaStreamNonBlocking) return failed(cudaErrorInvalidValue);
  *out = new CUstream_st;
  (*out)->device = runtime().current;
  (*out)->shown = {finish_shown, is_memory};
  runtime().streams.insert(*out);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  BEGIN("cudaStreamDestroy");
  if (runtime().streams.erase(stream) == 0) return failed(cudaErrorInvalidResourceHandle);
  finish(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ++runtime().counts.synchronizations;
  BEGIN("cudaStreamSynchronize");
  if (!lives(stream)) return failed(cudaErrorInvalidResourceHandle);
  finish(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (runtime().corrupt[runtime().current] != cudaSuccess)
    return failed(runtime().corrupt[runtime().current]);
  if (!lives(stream)) return failed(cudaErrorInvalidResourceHandle);
  return stream->late.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned flags) {
  BEGIN("cudaEventCreateWithFlags");
  if (flags != cudaEventDisableTiming) return failed(cudaErrorInvalidValue);
  runtime().events.insert(*out = new CUevent_st);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  BEGIN("cudaEventDestroy");
  if (runtime().events.erase(event) == 0) return failed(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  BEGIN("cudaEventRecord");
  if (runtime().events.count(event) == 0 || !lives(stream)) return failed(cudaErrorInvalidResourceHandle);
  *event = {stream, stream->done + stream->late.size()};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  BEGIN("cudaEventSynchronize");
  if (runtime().events.count(event) == 0) return failed(cudaErrorInvalidResourceHandle);
  if (event->stream != nullptr && lives(event->stream)) finish(event->stream, event->after);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** out, size_t bytes) {
  ++runtime().counts.allocations;
  BEGIN("cudaMalloc");
  *out = swirl::emulator::bytes_in_use() + bytes > kMemory
             ? nullptr
             : swirl::emulator::allocate((bytes + 255) / 256 * 256);
  if (*out == nullptr) return failed(cudaErrorMemoryAllocation);
  runtime().memory[*out] = runtime().current;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory != nullptr) ++runtime().counts.frees;
  BEGIN("cudaFree");
  if (memory == nullptr) return cudaSuccess;
  Runtime& r = runtime();
  if (r.memory.erase(memory) == 0) return failed(cudaErrorInvalidValue);
  for (CUstream_st* stream : r.streams) finish(stream);
  std::string error;
  if (!swirl::emulator::release(memory, &error)) {
    std::fprintf(stderr, "stand-in: %s\n", error.c_str());
    std::abort();
  }
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned flags) {
  BEGIN("cudaHostAlloc");
  if (flags != cudaHostAllocDefault) return failed(cudaErrorInvalidValue);
  auto* memory = new char[bytes];
  runtime().pinned[memory] = bytes;
  *out = memory;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  BEGIN("cudaFreeHost");
  if (memory == nullptr) return cudaSuccess;
  if (runtime().pinned.erase(static_cast<char*>(memory)) == 0) return failed(cudaErrorInvalidValue);
  delete[] static_cast<char*>(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  ++runtime().counts.copies;
  BEGIN("cudaMemcpyAsync");
  if (!lives(stream)) return failed(cudaErrorInvalidResourceHandle);
  if ((kind != cudaMemcpyHostToDevice && !is_memory(from, bytes)) ||
      (kind != cudaMemcpyDeviceToHost && !is_memory(to, bytes)))
    return failed(cudaErrorInvalidValue);
  if ((kind == cudaMemcpyHostToDevice && swirl::emulator::is_device_memory(from, 1)) ||
      (kind == cudaMemcpyDeviceToHost && swirl::emulator::is_device_memory(to, 1)))
    return failed(cudaErrorInvalidMemcpyDirection);
  if (kind == cudaMemcpyHostToDevice && is_pinned(from)) {
    stream->late.push_back({to, from, bytes});
    return cudaSuccess;
  }
  finish(stream);
  std::memmove(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return cudaMemset2DAsync(to, bytes, value, bytes, 1, stream);
}
cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  ++runtime().counts.sets;
  BEGIN("cudaMemset2DAsync");
  if (!lives(stream)) return failed(cudaErrorInvalidResourceHandle);
  if (width > pitch || !is_memory(to, pitch * (height - 1) + width)) return failed(cudaErrorInvalidValue);
  finish(stream);
  for (size_t row = 0; row < height; ++row) std::memset(static_cast<char*>(to) + row * pitch, value, width);
  return cudaSuccess;
}

namespace swirl::cuda {
namespace {

cudaError_t launch_kernel(const void* kernel, const char* op, const emulator::Call& call, dim3 grid,
                          dim3 block, size_t bytes, CUstream_st* stream) {
  Runtime& r = runtime();
  ++r.counts.launches;
  BEGIN(op);
  if (!lives(stream) || stream->device != r.current) return failed(cudaErrorInvalidResourceHandle);
  const auto allowed = r.allowed.find({r.current, kernel});
  const size_t limit =
      allowed != r.allowed.end() ? std::max(kPlainShared, allowed->second + kStaticShared) : kPlainShared;
  if (bytes + kStaticShared > limit) return failed(cudaErrorInvalidValue);
  finish(stream);
  std::string error;
  if (!r.computes || emulator::run(op, call, grid, block, bytes, &error)) return cudaSuccess;
  std::fprintf(stderr, "stand-in: %s\n", error.c_str());
  return failed(r.corrupt[r.current] = cudaErrorIllegalAddress);
}

}  // namespace

swirl_status start(swirl_device* device, const char* op, const void* kernel, const emulator::Call& call,
                   dim3 grid, dim3 block, size_t dynamic_shared_bytes) {
  if (dynamic_shared_bytes > kPlainSharedBytes) {
    const swirl_status status = allow_shared(device, op, kernel, dynamic_shared_bytes);
    if (status != SWIRL_OK) return status;
  }
  return launched(device, launch_kernel(kernel, op, call, grid, block, dynamic_shared_bytes, device->stream),
                  op, grid, block, dynamic_shared_bytes);
}

}  // namespace swirl::cuda
