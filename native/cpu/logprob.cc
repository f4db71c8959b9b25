#include "native/cpu/logprob.h"

#include <algorithm>
#include <cmath>

#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"
#include "native/cpu/types.h"

#define SWIRL_BODY "native/cpu/logprob.inl"
#include "native/cpu/each_isa.h"

namespace swirl {
namespace {

swirl_status check(swirl_device* device, const char* op, int32_t vocab, float temperature,
                   const swirl_labels* labels) {
  if (!(temperature > 0))
    return fail(device, SWIRL_INVALID, "%s: temperature is %g and must be above 0", op,
                static_cast<double>(temperature));
  for (int32_t l = 0; l < labels->labels; ++l) {
    if (labels->target[l] < 0 || labels->target[l] >= vocab)
      return fail(device, SWIRL_INVALID, "%s: label %d is token %d, outside the vocabulary of %d", op, l,
                  labels->target[l], vocab);
  }
  return SWIRL_OK;
}

}  // namespace

swirl_status logprob_forward(swirl_device* device, int32_t vocab, const float* logits, float softcap,
                             float temperature, const swirl_labels* labels, float* logprob, float* lse,
                             float* entropy) {
  const swirl_status status = check(device, "logprob_forward", vocab, temperature, labels);
  if (status != SWIRL_OK) return status;
  const size_t bytes = static_cast<size_t>(ceil_div(vocab, kLogitChunk)) * sizeof(LogitChunk);
  if (!device->reserve(bytes)) return out_of_scratch(device, "logprob_forward", bytes);
  const LogitScale scale = {softcap, 1.0f / temperature};
  parallel_for(device, labels->rows, 1, [&](int64_t row, int64_t) {
    const int32_t first = labels->label_offset[row], count = labels->label_offset[row + 1] - first;
    SWIRL_DISPATCH(logprob_row(logits + row * vocab, vocab, scale, labels->target + first, count,
                               logprob + first, lse + row, entropy + row,
                               static_cast<LogitChunk*>(device->scratch(thread_index()))));
  });
  return SWIRL_OK;
}

swirl_status logprob_backward(swirl_device* device, int32_t vocab, const float* logits, float softcap,
                              float temperature, const swirl_labels* labels, const float* coefficient,
                              const float* lse, const float* entropy, const float* entropy_coefficient,
                              void* dlogits, swirl_dtype dtype) {
  const swirl_status status = check(device, "logprob_backward", vocab, temperature, labels);
  if (status != SWIRL_OK) return status;
  int32_t most = 0;
  for (int32_t row = 0; row < labels->rows; ++row)
    most = std::max(most, labels->label_offset[row + 1] - labels->label_offset[row]);
  const size_t bytes = static_cast<size_t>(most) * sizeof(float);
  if (!device->reserve(bytes)) return out_of_scratch(device, "logprob_backward", bytes);
  const LogitScale scale = {softcap, 1.0f / temperature};
  with_type(dtype, [&](auto* null) {
    auto* to = static_cast<decltype(null)>(dlogits);
    parallel_for(device, labels->rows, 1, [&](int64_t row, int64_t) {
      const int32_t first = labels->label_offset[row], count = labels->label_offset[row + 1] - first;
      const EntropyTerm term = {entropy ? entropy[row] : 0, entropy ? entropy_coefficient[row] : 0};
      SWIRL_DISPATCH(logprob_gradient_row(logits + row * vocab, vocab, scale, labels->target + first, count,
                                          coefficient + first, lse[row], term, to + row * vocab,
                                          static_cast<float*>(device->scratch(thread_index()))));
    });
  });
  return SWIRL_OK;
}

}  // namespace swirl
