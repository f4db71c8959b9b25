// sample: one token per row, by inverse CDF in token order, in fixed-point mass (pick.cuh).
//
// Greedy and whole distributions read 4 bytes per logit, once: logits.cuh's chunks tell where the token is, and
// only its chunk is read again. The log-prob is logprob_forward's, to the bit. With top_k or top_p the block of a
// row reads the row about four more times, from cache (sample_cut.cuh). Waits for the result.
//
// A row with a NaN (or +inf) cannot be ordered: its token is 0 and its log-prob NaN, which the caller sees.
#include <vector>

#include "cuda/logits.cuh"
#include "cuda/ops.h"
#include "cuda/pick.cuh"
#include "cuda/sample_cut.cuh"

namespace swirl::cuda {
namespace {

struct Drawn {
  int32_t token;
  float logprob;
};

// One block per row: the first of the largest logits; its log-prob at temperature 1.
__global__ void __launch_bounds__(kRowThreads)
    greedy_kernel(int32_t vocab, const float* logits, LogitScale scale, const LogitChunk* all_chunks,
                  int32_t chunks_of_row, Drawn* drawn) {
  __shared__ int32_t of_warp[kRowThreads / kWarp];
  const int64_t row = blockIdx.x;
  const float* from = logits + row * vocab;
  const LogitChunk* chunks = all_chunks + row * chunks_of_row;
  const LogitSummary summary = combine_chunks(chunks, chunks_of_row);
  float best = -INFINITY;
  int32_t token = vocab;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < chunks_of_row; i += kRowThreads) {
    const int32_t here = chunks[i].greatest;
    if (here < vocab && from[here] > best) {
      best = from[here];
      token = here;
    }
  }
  token = first_greatest(best, token);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = token;
  __syncthreads();
  if (threadIdx.x > 0) return;
  best = -INFINITY;
  token = 0;
  for (const int32_t here : of_warp) {
    if (here < vocab && (from[here] > best || (from[here] == best && here < token))) {
      best = from[here];
      token = here;
    }
  }
  drawn[row] = {token, logprob_of(scaled(from[token], scale), summary.lse)};
}

// One block per row: the chunk in which the cumulative probability passes the row's uniform, then the token in it.
__global__ void __launch_bounds__(kRowThreads)
    whole_kernel(int32_t vocab, const float* logits, LogitScale scale, const LogitChunk* all_chunks,
                 int32_t chunks_of_row, const float* uniform, float chunk_unit, float token_unit,
                 Drawn* drawn) {
  const int64_t row = blockIdx.x;
  const float* from = logits + row * vocab;
  const LogitChunk* chunks = all_chunks + row * chunks_of_row;
  const LogitSummary summary = combine_chunks(chunks, chunks_of_row);
  if (!(fabsf(summary.lse) < INFINITY)) {
    if (threadIdx.x == 0) drawn[row] = {0, NAN};
    return;
  }
  const auto mass_of_chunk = [&](int64_t i) {
    const double shift = static_cast<double>(chunks[i].maximum) - static_cast<double>(summary.lse);
    return static_cast<Mass>(static_cast<double>(chunks[i].sum) * exp(shift) *
                             static_cast<double>(chunk_unit));
  };
  const Mass all = total_of<kRowThreads>(chunks_of_row, mass_of_chunk);
  const Picked chunk =
      pick<kRowThreads>(chunks_of_row, point_at(static_cast<double>(uniform[row]), all), mass_of_chunk);

  const auto begin = static_cast<int32_t>(chunk.index) * kLogitChunk;
  const int32_t count = vocab - begin < kLogitChunk ? vocab - begin : kLogitChunk;
  const float top = chunks[chunk.index].maximum;
  const auto mass_of_token = [&](int64_t i) {
    return to_mass(expf(__fsub_rn(scaled(from[begin + i], scale), top)), token_unit);
  };
  const Mass inside = total_of<kRowThreads>(count, mass_of_token);
  const double share = static_cast<double>(chunk.rest) / static_cast<double>(mass_of_chunk(chunk.index));
  const Picked picked = pick<kRowThreads>(count, point_at(share, inside), mass_of_token);
  if (threadIdx.x > 0) return;
  const int32_t token = begin + static_cast<int32_t>(picked.index);
  drawn[row] = {token, logprob_of(scaled(from[token], scale), summary.lse)};
}

struct Cuts {
  int32_t top_k;  // 0 = off
  double top_p;   // 1 = off
};

// One block per row: samples from the tokens that the cuts leave, renormalized. Dynamic shared memory: one mass per
// chunk.
__global__ void __launch_bounds__(kCutThreads)
    cut_kernel(int32_t vocab, const float* logits, LogitScale scale, const LogitChunk* all_chunks,
               int32_t chunks_of_row, const float* uniform, Cuts cuts, float unit, Drawn* drawn) {
  __shared__ Histogram histogram;
  Mass* masses = reinterpret_cast<Mass*>(dynamic_shared());
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t at = blockIdx.x;
  const LogitChunk* chunks = all_chunks + at * chunks_of_row;
  float largest = -INFINITY;
  int broken = 0;
  for (int32_t i = thread; i < chunks_of_row; i += kCutThreads) {
    largest = fmaxf(largest, chunks[i].maximum);
    if (chunks[i].sum != chunks[i].sum) broken = 1;
  }
  largest = block_max<kCutThreads>(largest);
  broken = block_sum<kCutThreads>(broken);
  if (broken > 0 || !(fabsf(largest) < INFINITY)) {
    if (thread == 0) drawn[at] = {0, NAN};
    return;
  }
  const CutRow row = {logits + at * vocab, vocab, scale, largest, unit};
  Rank kept = 0;
  if (cuts.top_k > 0 && cuts.top_k < vocab) kept = cut<true>(row, kept, cuts.top_k, 0, &histogram);
  if (cuts.top_p < 1) kept = cut<false>(row, kept, 0, cuts.top_p, &histogram);

  const auto mass_of_token = [&](int64_t token) -> Mass {
    const float z = row.z(token);
    return rank_of(z, static_cast<int32_t>(token)) >= kept ? row.mass(z) : 0;
  };
  for (int32_t chunk = thread / kWarp; chunk < chunks_of_row; chunk += kCutThreads / kWarp) {
    const int32_t begin = chunk * kLogitChunk;
    const int32_t end = vocab - begin < kLogitChunk ? vocab : begin + kLogitChunk;
    Mass mass = 0;
    for (int32_t i = begin + thread % kWarp; i < end; i += kWarp) mass += mass_of_token(i);
    mass = warp_sum(mass);
    if (thread % kWarp == 0) masses[chunk] = mass;
  }
  __syncthreads();
  const auto mass_of_chunk = [&](int64_t chunk) { return masses[chunk]; };
  const Mass all = total_of<kCutThreads>(chunks_of_row, mass_of_chunk);
  const Picked chunk =
      pick<kCutThreads>(chunks_of_row, point_at(static_cast<double>(uniform[at]), all), mass_of_chunk);
  const auto begin = static_cast<int32_t>(chunk.index) * kLogitChunk;
  const int32_t count = vocab - begin < kLogitChunk ? vocab - begin : kLogitChunk;
  const Picked picked =
      pick<kCutThreads>(count, chunk.rest, [&](int64_t i) { return mass_of_token(begin + i); });
  if (thread > 0) return;
  const int32_t token = begin + static_cast<int32_t>(picked.index);
  const double share = static_cast<double>(all) / static_cast<double>(unit);
  const auto logprob =
      static_cast<float>(static_cast<double>(row.z(token)) - static_cast<double>(largest) - log(share));
  drawn[at] = {token, logprob > 0 ? 0.0f : logprob};
}

}  // namespace

swirl_status sample(swirl_device* device, int32_t rows, int32_t vocab, const float* logits, float softcap,
                    const swirl_sampling* o, const float* host_uniform, int32_t* host_token,
                    float* host_logprob) {
  if (!(o->temperature >= 0) || o->top_k < 0 || !(o->top_p > 0) || !(o->top_p <= 1))
    return fail(device, SWIRL_INVALID, "sample: temperature %g (>= 0), top_k %d (>= 0), top_p %g (in (0, 1])",
                static_cast<double>(o->temperature), o->top_k, static_cast<double>(o->top_p));
  if (rows <= 0) return SWIRL_OK;
  const bool greedy = o->temperature == 0;
  const bool whole = (o->top_k == 0 || o->top_k >= vocab) && o->top_p >= 1;
  const LogitScale scale = logit_scale(softcap, greedy ? 1.0f : o->temperature);
  const int32_t each = logit_chunks(vocab);
  const size_t all = static_cast<size_t>(rows) * static_cast<size_t>(each), count = static_cast<size_t>(rows);
  auto* chunks = static_cast<LogitChunk*>(
      reserve(device, all * sizeof(LogitChunk) + count * (sizeof(Drawn) + sizeof(float))));
  if (chunks == nullptr) return SWIRL_OUT_OF_MEMORY;
  auto* drawn = reinterpret_cast<Drawn*>(chunks + all);
  auto* uniform = reinterpret_cast<float*>(drawn + count);

  const dim3 grid(static_cast<unsigned>(rows));
  swirl_status status = greedy
                            ? summarize_logits<true>(device, "sample", rows, vocab, logits, scale, chunks)
                            : summarize_logits<false>(device, "sample", rows, vocab, logits, scale, chunks);
  if (status == SWIRL_OK && !greedy)
    status = memory_upload(device, uniform, host_uniform, count * sizeof(float));
  if (status != SWIRL_OK) return status;
  if (greedy) {
    status = launch(device, "sample", greedy_kernel, grid, dim3(kRowThreads), 0, vocab, logits, scale, chunks,
                    each, drawn);
  } else if (whole) {
    status = launch(device, "sample", whole_kernel, grid, dim3(kRowThreads), 0, vocab, logits, scale, chunks,
                    each, uniform, mass_unit(2 * static_cast<int64_t>(each)), mass_unit(kLogitChunk), drawn);
  } else {
    const Cuts cuts = {o->top_k, static_cast<double>(o->top_p)};
    status = launch(device, "sample", cut_kernel, grid, dim3(kCutThreads),
                    static_cast<size_t>(each) * sizeof(Mass), vocab, logits, scale, chunks, each, uniform,
                    cuts, mass_unit(vocab), drawn);
  }
  if (status != SWIRL_OK) return status;
  std::vector<Drawn> result(count);
  status = memory_download(device, result.data(), drawn, count * sizeof(Drawn));
  for (size_t i = 0; status == SWIRL_OK && i < count; ++i) {
    host_token[i] = result[i].token;
    host_logprob[i] = result[i].logprob;
  }
  return status;
}

}  // namespace swirl::cuda
