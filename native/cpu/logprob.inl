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

// Factor of softmax(z): minus the sum of the labels' coefficients, and the entropy term's part.
SWIRL_INLINE V softmax_factor(V z, V origin, V total, const EntropyTerm& term) {
  if (term.coefficient == 0) return total;
  return total - splat(term.coefficient) * (z - origin + splat(term.entropy));
}

// at_target [labels] is scratch: the gradient at the row's targets, rounded once even if several labels have the
// same target.
template <class T>
void logprob_gradient_row(const float* logits, int64_t vocab, const LogitScale& scale, const int32_t* target,
                          int32_t labels, const float* coefficient, float lse, const EntropyTerm& term,
                          T* dlogits, float* at_target) {
  float sum = 0;
  for (int32_t l = 0; l < labels; ++l) sum += coefficient[l];
  const V origin = splat(lse), total = splat(-sum);
  for (int32_t l = 0; l < labels; ++l) {
    float here = 0;
    for (int32_t other = 0; other < labels; ++other)
      if (target[other] == target[l]) here += coefficient[other];
    const V z = scaled(splat(logits[target[l]]), scale);
    const V factor = softmax_factor(z, origin, total, term);
    at_target[l] = (fma(factor, exp(z - origin), splat(here)) * slope(z, scale))[0];
  }
  int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes) {
    const V z = scaled(load(logits + i), scale);
    const V factor = softmax_factor(z, origin, total, term);
    store(dlogits + i, factor * exp(z - origin) * slope(z, scale));
  }
  if (i < vocab) {
    const int n = static_cast<int>(vocab - i);
    const V z = scaled(load_n(logits + i, n), scale);
    const V factor = softmax_factor(z, origin, total, term);
    store_n(dlogits + i, factor * exp(z - origin) * slope(z, scale), n);
  }
  for (int32_t l = 0; l < labels; ++l) assign(dlogits[target[l]], at_target[l]);
}

}  // namespace SWIRL_ISA
}  // namespace swirl
