#include "loss.h"

#include <algorithm>
#include <cmath>

namespace swirl {

std::vector<double> token_weights(const std::vector<Sequence>& sequences, Aggregation aggregation) {
  const auto scored = [](const Sequence& s) { return double(s.tokens.size()) - s.action_start; };
  const double n = double(sequences.size());
  double all = 0;
  for (const Sequence& s : sequences) all += scored(s);
  std::vector<double> weights;
  weights.reserve(sequences.size());
  for (const Sequence& s : sequences) {
    switch (aggregation) {
      case Aggregation::kSequenceSum:
        weights.push_back(1 / n);
        break;
      case Aggregation::kSequenceMean:
        weights.push_back(1 / (n * scored(s)));
        break;
      case Aggregation::kTokenMean:
        weights.push_back(1 / all);
        break;
    }
  }
  return weights;
}

TokenLoss token_loss(const LossOptions& options, double weight, double advantage, double logprob,
                     const float* behavior, const float* reference) {
  TokenLoss out;
  if (options.loss == Loss::kReinforce) {
    out.value = -weight * advantage * logprob;
    out.derivative = -weight * advantage;
  } else {
    const double ratio = std::exp(logprob - *behavior);
    const double bounded = std::clamp(ratio, 1.0 - options.clip_low, 1.0 + options.clip_high);
    out.clipped = bounded * advantage < ratio * advantage;
    out.value = -weight * (out.clipped ? bounded : ratio) * advantage;
    out.derivative = out.clipped ? 0 : -weight * ratio * advantage;
  }
  if (reference) {
    const double x = logprob - *reference;
    double slope = 0;
    switch (options.kl_estimator) {
      case KlEstimator::kK1:
        out.kl = x;
        slope = 1;
        break;
      case KlEstimator::kK2:
        out.kl = x * x / 2;
        slope = x;
        break;
      case KlEstimator::kK3:
        out.kl = std::expm1(-x) + x;
        slope = -std::expm1(-x);
        break;
    }
    out.value += weight * options.kl_weight * out.kl;
    out.derivative += weight * options.kl_weight * slope;
  }
  return out;
}

}  // namespace swirl
