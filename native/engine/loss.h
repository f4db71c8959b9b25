// Loss: policy-gradient losses per scored token (a token of the action). Pure functions.
//
// Every loss is a weighted sum over scored tokens. The engine needs only each token's value and its derivative with
// respect to the token's log-prob; the language-model head multiplies onehot - softmax by the derivative.
#ifndef SWIRL_ENGINE_LOSS_H_
#define SWIRL_ENGINE_LOSS_H_

#include <vector>

#include "types.h"

namespace swirl {

struct TokenLoss {
  double value = 0;       // this token's term of the loss
  double derivative = 0;  // d loss / d log-prob
  double kl = 0;          // value of the KL estimator; 0 without a reference policy
  bool clipped = false;
};

// The factor of each sequence under the aggregation: 1/N (sequence-sum), 1/(N·Tᵢ) (sequence-mean), 1/ΣT (token-mean)
// or 1/(N·fixed_length). N: sequences of the batch, masked ones included; Tᵢ: sum of a sequence's weights. 1/0
// counts as 0. [sequences]
std::vector<double> sequence_factors(const std::vector<TrainSequence>&, const LossOptions&);

// Whether the sequence can contribute to the loss or its gradient. False when every token has weight 0, or has
// advantage (or derivative) 0 and the loss has no KL and no entropy term; such a sequence is not computed.
bool matters(const TrainSequence&, const LossOptions&);

// The loss of scored token t, with w = the token's weight times the sequence's factor:
//   reinforce:   -w · A · log π
//   ppo-clip:    -w · min(r · A, clip(r, 1 - low, 1 + high) · A), r = π / π_behavior   (Schulman et al. 2017)
//   derivative:  the caller's derivative times the factor; the caller has applied the weights and gives the value
// plus w · klWeight · k(x), x = log π - log π_ref (Schulman, "Approximating KL divergence"):
//   k1 = x,  k2 = x² / 2,  k3 = e^-x - 1 + x,  k3+ = the value of k3 with the derivative of k2
TokenLoss token_loss(const LossOptions&, double factor, const TrainSequence&, size_t t, double logprob);

}  // namespace swirl

#endif  // SWIRL_ENGINE_LOSS_H_
