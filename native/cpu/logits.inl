// One row of logits: z, its chunks and their summary. See logprob.h.
namespace swirl {
namespace SWIRL_ISA {

SWIRL_INLINE V scaled(V logit, const LogitScale& scale) {
  V z = logit;
  if (scale.softcap > 0) z = splat(scale.softcap) * tanh(z / scale.softcap);
  return z * splat(scale.inverse_temperature);
}

// dz / dlogit at z
SWIRL_INLINE V slope(V z, const LogitScale& scale) {
  if (scale.softcap <= 0) return splat(scale.inverse_temperature);
  const V t = z / (scale.inverse_temperature * scale.softcap);
  return splat(scale.inverse_temperature) * (1.0f - t * t);
}

SWIRL_INLINE float scaled_one(float logit, const LogitScale& scale) { return scaled(splat(logit), scale)[0]; }

// Never above 0, even if z - lse rounds to more.
SWIRL_INLINE float logprob_of(float z, float lse) {
  const float out = z - lse;
  return out > 0 ? 0 : out;
}

// The chunk of `count` logits; z [kLogitChunk] receives its values.
static inline LogitChunk summarize_chunk(const float* logits, int64_t count, const LogitScale& scale,
                                         float* z) {
  V top = splat(-INFINITY);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const V value = scaled(load(logits + i), scale);
    store(z + i, value);
    top = max(value, top);
  }
  float maximum = largest(top);
  for (; i < count; ++i) {
    z[i] = scaled_one(logits[i], scale);
    maximum = z[i] > maximum ? z[i] : maximum;
  }
  const V origin = splat(maximum);
  V sums = zeros(), weighted = zeros();
  for (i = 0; i + kLanes <= count; i += kLanes) {
    const V d = load(z + i) - origin;
    const V e = exp(d);
    sums = sums + e;
    weighted = fma(e, d, weighted);
  }
  LogitChunk out = {maximum, sum(sums), sum(weighted)};
  for (; i < count; ++i) {
    const float d = z[i] - maximum;
    const float e = exp(splat(d))[0];
    out.sum += e;
    out.weighted += e * d;
  }
  return out;
}

static inline LogitSummary combine_chunks(const LogitChunk* chunks, int64_t count) {
  float maximum = chunks[0].maximum;
  for (int64_t i = 1; i < count; ++i) maximum = chunks[i].maximum > maximum ? chunks[i].maximum : maximum;
  double sum = 0, weighted = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double shift = static_cast<double>(chunks[i].maximum) - static_cast<double>(maximum);
    const double factor = std::exp(shift);
    sum += factor * chunks[i].sum;
    weighted += factor * (chunks[i].weighted + shift * chunks[i].sum);
  }
  const double log_sum = std::log(sum);
  return {static_cast<float>(static_cast<double>(maximum) + log_sum),
          static_cast<float>(log_sum - weighted / sum)};
}

// chunks [ceil(vocab / kLogitChunk)]
static inline LogitSummary summarize_row(const float* logits, int64_t vocab, const LogitScale& scale,
                                         LogitChunk* chunks) {
  alignas(64) float z[kLogitChunk];
  int64_t count = 0;
  for (int64_t i = 0; i < vocab; i += kLogitChunk) {
    chunks[count++] =
        summarize_chunk(logits + i, vocab - i < kLogitChunk ? vocab - i : kLogitChunk, scale, z);
  }
  return combine_chunks(chunks, count);
}

}  // namespace SWIRL_ISA
}  // namespace swirl
