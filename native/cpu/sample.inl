#include "native/cpu/logits.inl"

namespace swirl {
namespace SWIRL_ISA {

// The first of the largest logits; its log-prob at temperature 1.
inline void sample_greedy(const float* logits, int64_t vocab, const LogitScale& scale, LogitChunk* chunks,
                          int32_t* token, float* logprob) {
  int64_t best = 0;
  for (int64_t i = 1; i < vocab; ++i)
    if (logits[i] > logits[best]) best = i;
  const LogitSummary summary = summarize_row(logits, vocab, scale, chunks);
  *token = static_cast<int32_t>(best);
  *logprob = logprob_of(scaled_one(logits[best], scale), summary.lse);
}

// From the whole distribution: the chunk in which the cumulative probability passes `uniform`, then the token
// in it.
inline void sample_whole(const float* logits, int64_t vocab, const LogitScale& scale, float uniform,
                         LogitChunk* chunks, int32_t* token, float* logprob) {
  const LogitSummary summary = summarize_row(logits, vocab, scale, chunks);
  const int64_t count = (vocab + kLogitChunk - 1) / kLogitChunk;
  double total = 0;
  for (int64_t c = 0; c < count; ++c)
    total += chunks[c].sum * std::exp(double(chunks[c].maximum) - summary.lse);
  double left = static_cast<double>(uniform) * total;
  int64_t chunk = 0,
          filled = 0;  // filled: the last chunk with any probability, for when rounding passes the end
  for (;; ++chunk) {
    if (chunk == count) {
      chunk = filled;
      left = INFINITY;
      break;
    }
    const double mass = chunks[chunk].sum * std::exp(double(chunks[chunk].maximum) - summary.lse);
    if (mass > 0) filled = chunk;
    if (left < mass) break;
    left -= mass;
  }
  const int64_t begin = chunk * kLogitChunk;
  const int64_t end = begin + kLogitChunk < vocab ? begin + kLogitChunk : vocab;
  int64_t picked = begin;
  for (int64_t i = begin; i < end; ++i) {
    const double p = exp(splat(scaled_one(logits[i], scale) - summary.lse))[0];
    if (p > 0) picked = i;
    if (left < p) break;
    left -= p;
  }
  *token = static_cast<int32_t>(picked);
  *logprob = logprob_of(scaled_one(logits[picked], scale), summary.lse);
}

// z [vocab] of every token and weight [vocab] = exp(z - largest z). *largest_out: the largest z, NaN when any
// z is.
inline void weigh_row(const float* logits, int64_t vocab, const LogitScale& scale, float* z, float* weight,
                      float* largest_out) {
  V top = splat(-INFINITY), poison = zeros();  // poison: NaN in a lane that saw one
  int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes) {
    const V value = scaled(load(logits + i), scale);
    store(z + i, value);
    top = max(value, top);
    poison = value != value ? value : poison;
  }
  float largest_z = largest(top), check = sum(poison);
  for (; i < vocab; ++i) {
    z[i] = scaled_one(logits[i], scale);
    largest_z = z[i] > largest_z ? z[i] : largest_z;
    if (z[i] != z[i]) check = z[i];
  }
  *largest_out = check != 0 ? NAN : largest_z;  // a NaN differs from 0
  if (check != 0) return;
  const V origin = splat(largest_z);
  for (i = 0; i + kLanes <= vocab; i += kLanes) store(weight + i, exp(load(z + i) - origin));
  for (; i < vocab; ++i) weight[i] = exp(splat(z[i] - largest_z))[0];
}

}  // namespace SWIRL_ISA
}  // namespace swirl
