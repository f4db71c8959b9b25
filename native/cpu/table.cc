// The CPU's kernel table. Host memory is device memory here: upload, download and copy are one function.
#include "native/cpu/ops.h"

const swirl_kernels* swirl_cpu_kernels(void) {
  static const swirl_kernels table = [] {
    using namespace swirl;
    swirl_kernels t = {};
    t.version = SWIRL_KERNELS_VERSION;
    t.name = "cpu";
    t.count = device_count;
    t.open = device_open;
    t.close = device_close;
    t.last_error = device_last_error;
    t.describe = device_describe;
    t.register_peak = register_peak;
    t.allocate = memory_allocate;
    t.release = memory_release;
    t.upload = memory_copy;
    t.download = memory_copy;
    t.copy = memory_copy;
    t.zero = memory_zero;
    t.synchronize = device_synchronize;
    t.convert = convert;
    t.convert_rows = convert_rows;
    t.gemm = gemm;
    t.packed_bytes = packed_bytes;
    t.pack = pack;
    t.gemm_packed = gemm_packed;
    t.embedding_forward = embedding_forward;
    t.embedding_backward = embedding_backward;
    t.rmsnorm_forward = rmsnorm_forward;
    t.rmsnorm_backward = rmsnorm_backward;
    t.rope = rope;
    t.gated_forward = gated_forward;
    t.gated_backward = gated_backward;
    t.add = add;
    t.bias_forward = bias_forward;
    t.bias_backward = bias_backward;
    t.gather_rows = gather_rows;
    t.scatter_add_rows = scatter_add_rows;
    t.scatter_rows = scatter_rows;
    t.attention_forward = attention_forward;
    t.attention_backward = attention_backward;
    t.logprob_forward = logprob_forward;
    t.logprob_backward = logprob_backward;
    t.sample = sample;
    t.sum_of_squares = sum_of_squares;
    t.adamw = adamw;
    t.adamw_check = adamw_check;
    t.adamw_compact = adamw_compact;
    t.adamw_compact_check = adamw_compact_check;
    return t;
  }();
  return &table;
}
