// The only include for the GPU's language: every .cu file includes this and none of CUDA's own headers.
//
// Under nvcc it is the CUDA runtime. With SWIRL_CUDA_EMULATED the same .cu files are plain C++ (-x c++) and
// the language comes from cuda/emulator/, which runs the same blocks and threads on the CPU. In both cases a
// kernel is started with `launch` and finds its dynamic shared memory with `dynamic_shared`.
#ifndef SWIRL_CUDA_PLATFORM_CUH_
#define SWIRL_CUDA_PLATFORM_CUH_

#if defined(SWIRL_CUDA_EMULATED)
#include "cuda/emulator/grid.h"
#include "cuda/emulator/language.h"
#include "cuda/emulator/shared_memory.h"
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <tuple>
#endif

#include "cuda/device.h"

namespace swirl::cuda {

// Dynamic shared memory that a block may use without permission from the driver. The limit is 48 KiB of static and
// dynamic memory together; kernels have at most 28 KiB of static (scripts/cuda-compile.mjs fails otherwise).
constexpr size_t kPlainSharedBytes = 20 * 1024;

#if defined(SWIRL_CUDA_EMULATED)

// The block's dynamic shared memory, aligned to 128 bytes.
inline unsigned char* dynamic_shared() { return emulator::dynamic_shared(); }

// Replaces <<<>>> and its checks: the emulator alone (emulator/start.cc), or under a stand-in for the CUDA runtime
// (standin/runtime.cc).
swirl_status start(swirl_device*, const char* op, const void* kernel, const emulator::Call&, dim3 grid,
                   dim3 block, size_t dynamic_shared_bytes);

#else

__device__ __forceinline__ unsigned char* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char swirl_dynamic_shared[];
  return swirl_dynamic_shared;
}

#endif

// Lets a kernel have `bytes` of dynamic shared memory; asks the driver once per kernel and size.
swirl_status allow_shared(swirl_device*, const char* op, const void* kernel, size_t bytes);
#if !defined(SWIRL_CUDA_EMULATED)
// Turns a failed launch into the device's error text.
swirl_status launched(swirl_device*, cudaError_t, const char* op, dim3 grid, dim3 block,
                      size_t dynamic_shared_bytes);
#endif

// Starts `kernel` on the device's stream; `op` names it in errors. Arguments are converted to the kernel's
// own parameter types. A grid without blocks is not launched, and is not an error.
template <class... P, class... A>
swirl_status launch(swirl_device* device, const char* op, void (*kernel)(P...), dim3 grid, dim3 block,
                    size_t dynamic_shared_bytes, A... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return SWIRL_OK;
#if defined(SWIRL_CUDA_EMULATED)
  return start(device, op, reinterpret_cast<const void*>(kernel),
               emulator::Kernel<P...>(kernel, static_cast<P>(arguments)...), grid, block,
               dynamic_shared_bytes);
#else
  if (dynamic_shared_bytes > kPlainSharedBytes) {
    const swirl_status status =
        allow_shared(device, op, reinterpret_cast<const void*>(kernel), dynamic_shared_bytes);
    if (status != SWIRL_OK) return status;
  }
  // Not <<<>>>, which reports the thread's last error: that may come from another device, which is lost.
  std::tuple<P...> values(static_cast<P>(arguments)...);
  const cudaError_t error = std::apply(
      [&](P&... value) {
        void* pointers[] = {&value...};
        return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers,
                                dynamic_shared_bytes, device->stream);
      },
      values);
  return launched(device, error, op, grid, block, dynamic_shared_bytes);
#endif
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_PLATFORM_CUH_
