// Finds the tokens of a row that top_k and top_p keep, without sorting it.
//
// Tokens are ranked by descending z, ties by ascending token: a rank is one 64-bit number, larger for earlier tokens. A
// cut keeps the first tokens until their amount (their number, or their probability as fixed-point mass)
// reaches a goal. It is found by histograms: a first one over equal steps of z below the largest, then finer
// ones over the ranks of the bucket that the goal falls into, until one token, or a bucket kept whole, is
// left. Amounts are integers, so the order in which atomics add them does not matter.
#ifndef SWIRL_CUDA_SAMPLE_CUT_CUH_
#define SWIRL_CUDA_SAMPLE_CUT_CUH_

#include "cuda/logits.cuh"
#include "cuda/pick.cuh"

namespace swirl::cuda {

constexpr int kCutThreads = 512;
constexpr int kBuckets = 2048;
constexpr float kBucketsPerUnit = 64;  // of z: the last bucket begins 32 below the largest

using Rank = unsigned long long;

// z may be -inf, not NaN.
__device__ __forceinline__ uint32_t ordered(float z) {
  const uint32_t bits = __float_as_uint(z == 0 ? 0.0f : z);  // -0 equals 0
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float unordered(uint32_t word) {
  return __uint_as_float((word & 0x80000000u) != 0 ? word & 0x7fffffffu : ~word);
}
__device__ __forceinline__ Rank rank_of(float z, int32_t token) {
  return static_cast<Rank>(ordered(z)) << 32 | (0xffffffffu - static_cast<uint32_t>(token));
}

// Never increases with z: subtraction and product round, but keep the order.
__device__ __forceinline__ int bucket_of(float z, float largest) {
  return static_cast<int>(fminf(__fmul_rn(__fsub_rn(largest, z), kBucketsPerUnit), kBuckets - 1));
}

// The smallest z, as a word, whose bucket is at most `bucket`.
__device__ __forceinline__ uint32_t least_in(int bucket, float largest) {
  uint32_t low = ordered(-INFINITY), high = ordered(largest);
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (bucket_of(unordered(middle), largest) <= bucket) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

struct CutRow {
  const float* logits;
  int32_t vocab;
  LogitScale scale;
  float largest;  // of z
  float unit;     // mass of a weight of 1

  __device__ __forceinline__ float z(int64_t token) const { return scaled(logits[token], scale); }
  __device__ __forceinline__ Mass mass(float z) const { return to_mass(expf(__fsub_rn(z, largest)), unit); }
};

// Shared memory of a cut.
struct Histogram {
  Mass amount[kBuckets];
  unsigned count[kBuckets];
};

__device__ __forceinline__ void clear(Histogram* h) {
  for (int i = static_cast<int>(threadIdx.x); i < kBuckets; i += kCutThreads) {
    h->amount[i] = 0;
    h->count[i] = 0;
  }
  __syncthreads();
}

// Called by a block of kCutThreads: finds the last rank to keep when only the first of the tokens that rank at or above
// `kept` are kept. kByCount: `most` tokens; else the share `share` of their mass.
template <bool kByCount>
__device__ __forceinline__ Rank cut(const CutRow& row, Rank kept, int32_t most, double share, Histogram* h) {
  clear(h);
  unsigned far = 0;  // tokens in the last bucket, which may have most of them
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < row.vocab; i += kCutThreads) {
    const float z = row.z(i);
    if (rank_of(z, i) < kept) continue;
    const int bucket = bucket_of(z, row.largest);
    if (!kByCount) {
      const Mass mass = row.mass(z);
      if (mass > 0) atomicAdd(&h->amount[bucket], mass);
    } else if (bucket == kBuckets - 1) {
      ++far;
    } else {
      atomicAdd(&h->amount[bucket], static_cast<Mass>(1));
    }
  }
  if (far > 0) atomicAdd(&h->amount[kBuckets - 1], static_cast<Mass>(far));
  __syncthreads();
  const auto amount_at = [&](int64_t bucket) { return h->amount[bucket]; };
  Mass goal = static_cast<Mass>(most);
  const Mass all = total_of<kCutThreads>(kBuckets, amount_at);
  if (!kByCount) goal = static_cast<Mass>(ceil(share * static_cast<double>(all)));
  if (goal > all) goal = all;
  if (goal == 0) goal = 1;
  Picked at = pick<kCutThreads>(kBuckets, goal - 1, amount_at);
  const auto bucket = static_cast<int>(at.index);
  Rank low = static_cast<Rank>(least_in(bucket, row.largest)) << 32;
  Rank high =
      bucket > 0 ? (static_cast<Rank>(least_in(bucket - 1, row.largest)) << 32) - 1 : ~static_cast<Rank>(0);
  if (low < kept) low = kept;
  bool done = at.rest + 1 == h->amount[bucket];  // the whole bucket is kept
  __syncthreads();
  while (!done && low < high) {  // ranks low … high, of which at.rest + 1 stay
    int shift = 0;
    while ((high - low) >> shift >= kBuckets) ++shift;
    clear(h);
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < row.vocab; i += kCutThreads) {
      const float z = row.z(i);
      const Rank rank = rank_of(z, i);
      if (rank < low || rank > high) continue;
      const auto b = static_cast<int>((high - rank) >> shift);
      atomicAdd(&h->amount[b], kByCount ? static_cast<Mass>(1) : row.mass(z));
      atomicAdd(&h->count[b], 1u);
    }
    __syncthreads();
    at = pick<kCutThreads>(kBuckets, at.rest, amount_at);
    const Rank before = static_cast<Rank>(at.index) << shift, width = static_cast<Rank>(1) << shift;
    const Rank end = high - before;
    if (end - low >= width) low = end - (width - 1);
    high = end;
    done = h->count[at.index] == 1 || at.rest + 1 == h->amount[at.index];
    __syncthreads();
  }
  return low;
}

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_SAMPLE_CUT_CUH_
