// Loss: policy-gradient mathematics per scored token. Pure.
//
// Every loss here is a weighted sum over scored tokens, so all the engine needs of one is its value and its
// derivative with respect to the token's log-prob. The derivative is what the language-model head multiplies
// onehot - softmax with.
#ifndef SWIRL_ENGINE_LOSS_H_
#define SWIRL_ENGINE_LOSS_H_

#include <vector>

#include "engine.h"

namespace swirl {

struct TokenLoss {
  double value = 0;       // this token's share of the loss
  double derivative = 0;  // d loss / d log-prob
  double kl = 0;          // the estimator's value, 0 without a reference
  bool clipped = false;
};

// The weight of each of a sequence's scored tokens: 1/N, 1/(N·Tᵢ) or 1/ΣT. [sequences]
std::vector<double> token_weights(const std::vector<Sequence>&, Aggregation);

// reinforce:  -w · A · log π
// ppo-clip:   -w · min(r · A, clip(r, 1 - low, 1 + high) · A), r = π / π_behaviour   (Schulman et al. 2017)
// plus w · klWeight · k(x), x = log π - log π_ref (Schulman, "Approximating KL divergence"):
//   k1 = x,  k2 = x² / 2,  k3 = e^-x - 1 + x
// behavior and reference: their log-probs of this token; ignored where the options do not use them.
TokenLoss token_loss(const LossOptions&, double weight, double advantage, double logprob,
                     const float* behavior, const float* reference);

}  // namespace swirl

#endif  // SWIRL_ENGINE_LOSS_H_
