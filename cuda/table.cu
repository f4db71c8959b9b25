// The GPU's kernel table, and the wrapper of every entry: it makes the call's device the current one or, in the
// emulation, makes its memory accessible.
#include "cuda/ops.h"
#include "cuda/platform.cuh"

namespace swirl::cuda {
namespace {

template <auto kEntry>
struct Entered;

template <class... A, swirl_status (*kEntry)(swirl_device*, A...)>
struct Entered<kEntry> {
  static swirl_status call(swirl_device* device, A... arguments) {
#if defined(SWIRL_CUDA_EMULATED)
    const emulator::Access access;
#endif
    swirl_status status = enter(device);
    if (status == SWIRL_OK) status = kEntry(device, arguments...);
    return device->lost ? SWIRL_DEVICE_LOST : status;
  }
};

void release(swirl_device* device, void* memory) {
#if defined(SWIRL_CUDA_EMULATED)
  const emulator::Access access;
#endif
  if (enter(device) == SWIRL_OK)
    memory_release(device, memory);  // the memory of a lost device is gone with it
}

swirl_kernels make_table() {
  swirl_kernels t = {};
  t.version = SWIRL_KERNELS_VERSION;
  t.name = "cuda";
  t.count = device_count;
  t.open = device_open;
  t.close = device_close;
  t.last_error = device_last_error;
  t.describe = Entered<device_describe>::call;
  t.allocate = Entered<memory_allocate>::call;
  t.release = release;
  t.upload = Entered<memory_upload>::call;
  t.download = Entered<memory_download>::call;
  t.copy = Entered<memory_copy>::call;
  t.zero = Entered<memory_zero>::call;
  t.synchronize = Entered<device_synchronize>::call;
  t.convert = Entered<convert>::call;
  t.gemm = Entered<gemm>::call;
  t.embedding_forward = Entered<embedding_forward>::call;
  t.embedding_backward = Entered<embedding_backward>::call;
  t.rmsnorm_forward = Entered<rmsnorm_forward>::call;
  t.rmsnorm_backward = Entered<rmsnorm_backward>::call;
  t.rope = Entered<rope>::call;
  t.gated_forward = Entered<gated_forward>::call;
  t.gated_backward = Entered<gated_backward>::call;
  t.add = Entered<add>::call;
  t.bias_forward = Entered<bias_forward>::call;
  t.bias_backward = Entered<bias_backward>::call;
  t.gather_rows = Entered<gather_rows>::call;
  t.scatter_add_rows = Entered<scatter_add_rows>::call;
  t.convert_rows = Entered<convert_rows>::call;
  t.scatter_rows = Entered<scatter_rows>::call;
  t.attention_forward = Entered<attention_forward>::call;
  t.attention_backward = Entered<attention_backward>::call;
  t.logprob_forward = Entered<logprob_forward>::call;
  t.logprob_backward = Entered<logprob_backward>::call;
  t.sample = Entered<sample>::call;
  t.sum_of_squares = Entered<sum_of_squares>::call;
  t.adamw = Entered<adamw>::call;
  t.adamw_check = Entered<adamw_check>::call;
  t.adamw_compact = Entered<adamw_compact>::call;
  t.adamw_compact_check = Entered<adamw_compact_check>::call;
  return t;
}

}  // namespace
}  // namespace swirl::cuda

extern "C" __attribute__((visibility("default"))) const swirl_kernels* swirl_module_kernels(void) {
  static const swirl_kernels table = swirl::cuda::make_table();
  return &table;
}
