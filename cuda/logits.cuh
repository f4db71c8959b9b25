// The distribution of a row of logits, shared by the log-prob and the sampling ops so that both give the same
// bits.
//
// A row is divided into chunks of kLogitChunk tokens. A warp reads its chunk once, into registers, and stores the
// chunk's maximum and sums relative to it; `combine_chunks` joins a row's chunks in float64 in one order. So
// the work spreads over all multiprocessors however few rows there are, and the bits depend only on the row.
//
// No product here may be fused into an addition by the compiler: where they meet, one of them is rounded
// explicitly (__fmul_rn, __fadd_rn), so the bits are the same in every kernel.
#ifndef SWIRL_CUDA_LOGITS_CUH_
#define SWIRL_CUDA_LOGITS_CUH_

#include <algorithm>
#include <cmath>

#include "cuda/platform.cuh"
#include "cuda/warp.cuh"

namespace swirl::cuda {

// z = softcap(logit) / temperature
struct LogitScale {
  float softcap, inverse_softcap;  // softcap 0 = none
  float inverse_temperature;
};

inline LogitScale logit_scale(float softcap, float temperature) {
  return {softcap, softcap > 0 ? 1.0f / softcap : 0.0f, 1.0f / temperature};
}

__device__ __forceinline__ float scaled(float logit, const LogitScale& scale) {
  const float capped =
      scale.softcap > 0 ? __fmul_rn(scale.softcap, tanhf(__fmul_rn(logit, scale.inverse_softcap))) : logit;
  return __fmul_rn(capped, scale.inverse_temperature);
}

// Never above 0, even if z - lse rounds to more. A NaN stays NaN.
__device__ __forceinline__ float logprob_of(float z, float lse) {
  const float out = z - lse;
  return out > 0 ? 0 : out;
}

struct alignas(16) LogitChunk {
  float maximum;     // of z
  float sum;         // Σ exp(z - maximum); NaN when a z is, or is +inf
  float weighted;    // Σ exp(z - maximum) · (z - maximum)
  int32_t greatest;  // the first token with the largest logit (kGreatest only)
};

constexpr int kLogitChunk = 1024;
constexpr int kLogitLanes = kLogitChunk / kWarp;  // logits per lane
constexpr int kLogitThreads = 256;                // of a block that summarizes: 8 chunks
constexpr int kRowThreads = 128;                  // of a block that joins a row's chunks

inline int32_t logit_chunks(int32_t vocab) { return static_cast<int32_t>(ceil_div(vocab, kLogitChunk)); }

// Called by all lanes of a warp: the first token with the largest of the warp's logits, given each lane's.
__device__ __forceinline__ int32_t first_greatest(float best, int32_t token) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const float other = __shfl_xor_sync(kAllLanes, best, distance);
    const int32_t at = __shfl_xor_sync(kAllLanes, token, distance);
    if (other > best || (other == best && at < token)) {
      best = other;
      token = at;
    }
  }
  return token;
}

// chunks [rows, chunks of a row]. kGreatest also finds the largest logit's token.
template <bool kGreatest>
__global__ void __launch_bounds__(kLogitThreads)
    logit_chunks_kernel(int64_t count, int32_t chunks_of_row, int32_t vocab, const float* logits,
                        LogitScale scale, LogitChunk* chunks, bool aligned) {
  constexpr int kWide = kVector<float>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t step = static_cast<int64_t>(gridDim.x) * (kLogitThreads / kWarp);
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * (kLogitThreads / kWarp) + threadIdx.x / kWarp;
       i < count; i += step) {
    const int64_t row = i / chunks_of_row;
    const int32_t begin = static_cast<int32_t>(i - row * chunks_of_row) * kLogitChunk + lane * kWide;
    const float* from = logits + row * vocab + begin;
    float z[kLogitLanes];
#pragma unroll
    for (int k = 0; k < kLogitLanes; k += kWide) {
      const int32_t at = k * kWarp, left = vocab - begin - at;
      float part[kWide] = {};
      if (aligned) {
        load_some<true>(from + at, left, part);
      } else {
        load_some<false>(from + at, left, part);
      }
#pragma unroll
      for (int j = 0; j < kWide; ++j) z[k + j] = j < left ? part[j] : -INFINITY;
    }
    int32_t greatest = 0;
    if (kGreatest) {
      float best = -INFINITY;
      int32_t token = vocab;
#pragma unroll
      for (int k = 0; k < kLogitLanes; ++k) {
        if (z[k] > best) {
          best = z[k];
          token = begin + k / kWide * kWide * kWarp + k % kWide;
        }
      }
      greatest = first_greatest(best, token);
    }
    float top = -INFINITY;
#pragma unroll
    for (int k = 0; k < kLogitLanes; ++k) {
      z[k] = k / kWide * kWide * kWarp + k % kWide < vocab - begin ? scaled(z[k], scale) : -INFINITY;
      top = fmaxf(top, z[k]);
    }
    top = warp_max(top);
    const float origin = top > -INFINITY ? top : 0.0f;
    float sum = 0, weighted = 0;
#pragma unroll
    for (int k = 0; k < kLogitLanes; ++k) {
      const float d = z[k] - origin, e = expf(d);
      sum = __fadd_rn(sum, e);
      weighted = fmaf(e, fmaxf(d, -1e4f), weighted);  // 0 · -inf must not arise
    }
    sum = warp_sum(sum);
    weighted = warp_sum(weighted);
    if (lane == 0) chunks[i] = {top, sum, weighted, greatest};
  }
}

template <bool kGreatest>
swirl_status summarize_logits(swirl_device* device, const char* op, int32_t rows, int32_t vocab,
                              const float* logits, const LogitScale& scale, LogitChunk* chunks) {
  const int32_t each = logit_chunks(vocab);
  const int64_t count = static_cast<int64_t>(rows) * each;
  const int64_t blocks = std::min<int64_t>(ceil_div(count, kLogitThreads / kWarp),
                                           std::max<int64_t>(1, device->multiprocessors) * 8);
  const bool aligned = reinterpret_cast<uintptr_t>(logits) % 16 == 0 && vocab % kVector<float> == 0;
  return launch(device, op, logit_chunks_kernel<kGreatest>, dim3(static_cast<unsigned>(blocks)),
                dim3(kLogitThreads), 0, count, each, vocab, logits, scale, chunks, aligned);
}

// softmax(z) of a whole row
struct LogitSummary {
  float lse;      // log Σ exp z
  float entropy;  // nats
};

// A block of kRowThreads joins the `count` chunks of a row.
__device__ __forceinline__ LogitSummary combine_chunks(const LogitChunk* chunks, int32_t count) {
  float top = -INFINITY;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += kRowThreads)
    top = fmaxf(top, chunks[i].maximum);
  top = block_max<kRowThreads>(top);
  double sum = 0, weighted = 0;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += kRowThreads) {
    const LogitChunk chunk = chunks[i];
    if (chunk.sum == 0) continue;  // every logit is -inf
    const double shift = static_cast<double>(chunk.maximum) - static_cast<double>(top);
    const double factor = exp(shift);
    sum = fma(factor, static_cast<double>(chunk.sum), sum);
    weighted = fma(factor, fma(shift, static_cast<double>(chunk.sum), static_cast<double>(chunk.weighted)),
                   weighted);
  }
  sum = block_sum<kRowThreads>(sum);
  weighted = block_sum<kRowThreads>(weighted);
  const double log_sum = log(sum);
  return {static_cast<float>(__dadd_rn(static_cast<double>(top), log_sum)),
          static_cast<float>(log_sum - weighted / sum)};
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_LOGITS_CUH_
