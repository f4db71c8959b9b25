// Calls of the CUDA runtime by the host part of the backend: a failed call becomes the device's error text.
#ifndef SWIRL_CUDA_RUNTIME_CUH_
#define SWIRL_CUDA_RUNTIME_CUH_

#include <cuda_runtime.h>

#include <string>

#include "cuda/device.h"

namespace swirl::cuda {

// OK, or the failure as the device's error text. An error that corrupts the GPU's context makes the device
// lost, whichever call reports it.
swirl_status check(swirl_device*, cudaError_t, const char* what);

// Turns a failed launch into the device's error text.
swirl_status launched(swirl_device*, cudaError_t, const char* op, dim3 grid, dim3 block,
                      size_t dynamic_shared_bytes);

// gemm.cu: finds cuBLASLt; the error lists where it looked.
swirl_status open_matrix_library(swirl_device*);
void close_matrix_library(swirl_device*);
std::string matrix_library_name(const swirl_device*);

// memory.cu
swirl_status open_staging(swirl_device*);
void close_staging(swirl_device*);

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_RUNTIME_CUH_
