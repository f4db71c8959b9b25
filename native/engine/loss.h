// Loss: policy-gradient mathematics per scored token. Pure.
//
// Every loss here is a weighted sum over scored tokens, so all the engine needs of one is its value and its
// derivative with respect to the token's log-prob. The derivative is what the language-model head multiplies
// onehot - softmax with.
#ifndef SWIRL_ENGINE_LOSS_H_
#define SWIRL_ENGINE_LOSS_H_

#include <vector>

#include "types.h"

namespace swirl {

struct TokenLoss {
  double value = 0;       // this token's share of the loss
  double derivative = 0;  // d loss / d log-prob
  double kl = 0;          // the estimator's value, 0 without a reference
  bool clipped = false;
};

// The aggregation's factor on each sequence: 1/N, 1/(N·Tᵢ), 1/ΣT or 1/(N·fixed_length), where Tᵢ is the sum of
// its weights. 0 for a sequence that is masked altogether. [sequences]
std::vector<double> sequence_factors(const std::vector<TrainSequence>&, const LossOptions&);

// Whether the gradient or the loss could change without the sequence: some token with a weight has an advantage
// or a derivative, or a KL or entropy term that needs it.
bool matters(const TrainSequence&, const LossOptions&);

// Of scored token t, with w its weight times the sequence's factor:
//   reinforce:   -w · A · log π
//   ppo-clip:    -w · min(r · A, clip(r, 1 - low, 1 + high) · A), r = π / π_behavior   (Schulman et al. 2017)
//   derivative:  the sequence's own, times the factor alone: it has the weights in it; its value is added apart
// plus w · klWeight · k(x), x = log π - log π_ref (Schulman, "Approximating KL divergence"):
//   k1 = x,  k2 = x² / 2,  k3 = e^-x - 1 + x,  k3+ = the value of k3 with the derivative of k2
TokenLoss token_loss(const LossOptions&, double factor, const TrainSequence&, size_t t, double logprob);

}  // namespace swirl

#endif  // SWIRL_ENGINE_LOSS_H_
