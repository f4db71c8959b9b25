// The distribution of one row of logits, shared by the log-prob and the sampling ops so that both give the
// same bits.
#ifndef SWIRL_CPU_LOGPROB_H_
#define SWIRL_CPU_LOGPROB_H_

#include <cstdint>

namespace swirl {

// z = softcap(logit) / temperature
struct LogitScale {
  float softcap;              // 0 = none
  float inverse_temperature;  // 1 / temperature
};

// Logits are read once, in chunks that fit into the L1 cache; each chunk's sum is relative to its own
// maximum.
constexpr int64_t kLogitChunk = 4096;

struct LogitChunk {
  float maximum;    // of z
  double sum;       // Σ exp(z - maximum)
  double weighted;  // Σ exp(z - maximum) · (z - maximum)
};

// softmax(z) of a whole row
struct LogitSummary {
  float lse;      // log Σ exp z
  float entropy;  // nats
};

// The loss's entropy term for a row: d loss / d entropy; 0 = none.
struct EntropyTerm {
  float entropy, coefficient;
};

}  // namespace swirl

#endif  // SWIRL_CPU_LOGPROB_H_
