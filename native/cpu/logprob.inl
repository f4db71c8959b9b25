#include "native/cpu/logits.inl"

namespace swirl {
namespace SWIRL_ISA {

inline void logprob_row(const float* logits, int64_t vocab, const LogitScale& scale, const int32_t* target,
                        int32_t labels, float* logprob, float* lse, float* entropy, LogitChunk* chunks) {
  const LogitSummary summary = summarize_row(logits, vocab, scale, chunks);
  *lse = summary.lse;
  *entropy = summary.entropy;
  for (int32_t l = 0; l < labels; ++l)
    logprob[l] = logprob_of(scaled_one(logits[target[l]], scale), summary.lse);
}

// at_target [labels] is scratch: the gradient at the row's targets, rounded once although several labels may
// meet there.
template <class T>
void logprob_gradient_row(const float* logits, int64_t vocab, const LogitScale& scale, const int32_t* target,
                          int32_t labels, const float* coefficient, float lse, T* dlogits, float* at_target) {
  float total = 0;
  for (int32_t l = 0; l < labels; ++l) total += coefficient[l];
  const V origin = splat(lse), factor = splat(-total);
  for (int32_t l = 0; l < labels; ++l) {
    float here = 0;
    for (int32_t other = 0; other < labels; ++other)
      if (target[other] == target[l]) here += coefficient[other];
    const V z = scaled(splat(logits[target[l]]), scale);
    at_target[l] = (fma(factor, exp(z - origin), splat(here)) * slope(z, scale))[0];
  }
  int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes) {
    const V z = scaled(load(logits + i), scale);
    store(dlogits + i, factor * exp(z - origin) * slope(z, scale));
  }
  if (i < vocab) {
    const int n = static_cast<int>(vocab - i);
    const V z = scaled(load_n(logits + i, n), scale);
    store_n(dlogits + i, factor * exp(z - origin) * slope(z, scale), n);
  }
  for (int32_t l = 0; l < labels; ++l) assign(dlogits[target[l]], at_target[l]);
}

}  // namespace SWIRL_ISA
}  // namespace swirl
