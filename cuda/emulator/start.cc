// A launch on the emulated GPU without a CUDA runtime.
#include "cuda/platform.cuh"

namespace swirl::cuda {

swirl_status start(swirl_device* device, const char* op, const void*, const emulator::Call& call, dim3 grid,
                   dim3 block, size_t dynamic_shared_bytes) {
  std::string error;
  if (emulator::run(op, call, grid, block, dynamic_shared_bytes, &error)) return SWIRL_OK;
  return fail(device, SWIRL_DEVICE_ERROR, "%s", error.c_str());
}

}  // namespace swirl::cuda
