// logprob_forward, logprob_backward: log-probs of labels, log-sum-exp and entropy of rows of logits, and the
// gradient of the logits.
//
// Forward reads 4 bytes per logit, once (logits.cuh); backward reads 4 and writes 2 (bfloat16). About 16 and 12
// instructions per logit, 30 more with a soft-cap: bandwidth is the bound.
//
// Labels are in device memory, so a target outside the vocabulary cannot fail the call: its log-prob is NaN,
// it has no gradient, and nothing outside the logits is read.
#include "cuda/logits.cuh"
#include "cuda/ops.h"
#include "cuda/pack.cuh"

namespace swirl::cuda {
namespace {

// One block per row.
__global__ void __launch_bounds__(kRowThreads)
    logprob_rows_kernel(int32_t vocab, const float* logits, LogitScale scale, const LogitChunk* chunks,
                        int32_t chunks_of_row, const int32_t* label_offset, const int32_t* target,
                        float* logprob, float* lse, float* entropy) {
  const int64_t row = blockIdx.x;
  const LogitSummary summary = combine_chunks(chunks + row * chunks_of_row, chunks_of_row);
  if (threadIdx.x == 0) {
    lse[row] = summary.lse;
    entropy[row] = summary.entropy;
  }
  for (int32_t l = label_offset[row] + static_cast<int32_t>(threadIdx.x); l < label_offset[row + 1];
       l += kRowThreads) {
    const int32_t token = target[l];
    logprob[l] = token >= 0 && token < vocab
                     ? logprob_of(scaled(logits[row * vocab + token], scale), summary.lse)
                     : NAN;
  }
}

constexpr int kTilePacks = 1024;  // per block: 8192 logits of one row
constexpr int kMapWords = kTilePacks / 32;

// dz / dlogit at z
__device__ __forceinline__ float slope(float z, const LogitScale& scale, float inverse_range) {
  if (scale.softcap <= 0) return scale.inverse_temperature;
  const float t = z * inverse_range;
  return scale.inverse_temperature * fmaf(-t, t, 1.0f);
}

// Block (row, tile of it). A map marks the packs that contain a target, so that the others never read labels.
// inverse_range = temperature / softcap.
template <class T>
__global__ void __launch_bounds__(kPackThreads)
    logprob_gradient_kernel(int32_t vocab, int32_t tiles, const float* logits, LogitScale scale,
                            float inverse_range, const int32_t* label_offset, const int32_t* target,
                            const float* coefficient, const float* lse, const float* entropy,
                            const float* entropy_coefficient, T* dlogits, bool aligned) {
  __shared__ unsigned map[kMapWords];
  __shared__ float row_total;
  const int64_t row = blockIdx.x / static_cast<unsigned>(tiles);
  const int32_t tile = static_cast<int32_t>(blockIdx.x % static_cast<unsigned>(tiles));
  const int32_t begin = tile * kTilePacks * kPack;
  const int32_t first = label_offset[row], last = label_offset[row + 1];
  const int thread = static_cast<int>(threadIdx.x);
  for (int word = thread; word < kMapWords; word += kPackThreads) map[word] = 0;
  __syncthreads();
  if (thread == 0) {
    float total = 0;
    for (int32_t l = first; l < last; ++l)
      if (target[l] >= 0 && target[l] < vocab) total += coefficient[l];
    row_total = total;
  }
  for (int32_t l = first + thread; l < last; l += kPackThreads) {
    const int32_t pack = (target[l] - begin) / kPack;
    if (target[l] >= begin && pack < kTilePacks) atomicOr(&map[pack / 32], 1u << pack % 32);
  }
  __syncthreads();
  const float total = -row_total, origin = lse[row];
  const float row_entropy = entropy != nullptr ? entropy[row] : 0;
  const float entropy_slope = entropy != nullptr ? entropy_coefficient[row] : 0;
  const float* from = logits + row * vocab;
  T* to = dlogits + row * vocab;
  for (int32_t pack = thread; pack < kTilePacks; pack += kPackThreads) {
    const int32_t at = begin + pack * kPack, left = vocab - at;
    if (left <= 0) break;
    float x[kPack], here[kPack] = {};
    load_pack(from + at, left, aligned, x);
    if (map[pack / 32] >> pack % 32 & 1) {
      for (int32_t l = first; l < last; ++l) {
        const int32_t place = target[l] - at;
#pragma unroll
        for (int i = 0; i < kPack; ++i)
          if (place == i) here[i] += coefficient[l];
      }
    }
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const float z = scaled(x[i], scale);
      const float factor = entropy_slope == 0 ? total : fmaf(-entropy_slope, z - origin + row_entropy, total);
      x[i] = fmaf(factor, expf(z - origin), here[i]) * slope(z, scale, inverse_range);
    }
    store_pack(to + at, left, aligned, x);
  }
}

swirl_status check(swirl_device* device, const char* op, float temperature) {
  if (temperature > 0) return SWIRL_OK;
  return fail(device, SWIRL_INVALID, "%s: temperature is %g and must be above 0", op,
              static_cast<double>(temperature));
}

}  // namespace

swirl_status logprob_forward(swirl_device* device, int32_t vocab, const float* logits, float softcap,
                             float temperature, const swirl_labels* labels, float* logprob, float* lse,
                             float* entropy) {
  swirl_status status = check(device, "logprob_forward", temperature);
  if (status != SWIRL_OK || labels->rows == 0) return status;
  const int32_t each = logit_chunks(vocab);
  auto* chunks = static_cast<LogitChunk*>(
      reserve(device, static_cast<size_t>(labels->rows) * static_cast<size_t>(each) * sizeof(LogitChunk)));
  if (chunks == nullptr) return SWIRL_OUT_OF_MEMORY;
  const LogitScale scale = logit_scale(softcap, temperature);
  status = summarize_logits<false>(device, "logprob_forward", labels->rows, vocab, logits, scale, chunks);
  if (status != SWIRL_OK) return status;
  return launch(device, "logprob_forward", logprob_rows_kernel, dim3(static_cast<unsigned>(labels->rows)),
                dim3(kRowThreads), 0, vocab, logits, scale, chunks, each, labels->label_offset,
                labels->target, logprob, lse, entropy);
}

swirl_status logprob_backward(swirl_device* device, int32_t vocab, const float* logits, float softcap,
                              float temperature, const swirl_labels* labels, const float* coefficient,
                              const float* lse, const float* entropy, const float* entropy_coefficient,
                              void* dlogits, swirl_dtype dtype) {
  const swirl_status status = check(device, "logprob_backward", temperature);
  if (status != SWIRL_OK) return status;
  const auto tiles = static_cast<int32_t>(ceil_div(vocab, kTilePacks * kPack));
  const dim3 grid(static_cast<unsigned>(labels->rows) * static_cast<unsigned>(tiles));
  const LogitScale scale = logit_scale(softcap, temperature);
  const float inverse_range = softcap > 0 ? temperature / softcap : 0.0f;
  return with_type(dtype, [&](auto* null) {
    auto* to = static_cast<decltype(null)>(dlogits);
    return launch(device, "logprob_backward", logprob_gradient_kernel<std::remove_pointer_t<decltype(null)>>,
                  grid, dim3(kPackThreads), 0, vocab, tiles, logits, scale, inverse_range,
                  labels->label_offset, labels->target, coefficient, lse, entropy, entropy_coefficient, to,
                  aligned_rows(logits, vocab) && aligned_rows(to, vocab));
  });
}

}  // namespace swirl::cuda
