#include "loss.h"

#include <algorithm>
#include <cmath>

namespace swirl {
namespace {

double total_weight(const TrainSequence& s) {
  if (s.weights.empty()) return static_cast<double>(s.scored());
  double sum = 0;
  for (const float w : s.weights) sum += w;
  return sum;
}

double inverse(double x) { return x > 0 ? 1 / x : 0; }

void add_kl(const LossOptions& options, double weight, double logprob, double reference, TokenLoss& out) {
  const double x = logprob - reference;
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
    case KlEstimator::kK3Plus:
      out.kl = std::expm1(-x) + x;
      slope = x;
      break;
  }
  out.value += weight * options.kl_weight * out.kl;
  out.derivative += weight * options.kl_weight * slope;
}

}  // namespace

std::vector<double> sequence_factors(const std::vector<TrainSequence>& sequences,
                                     const LossOptions& options) {
  const double n = options.total_sequences > 0 ? options.total_sequences : double(sequences.size());
  double all = options.total_weight;
  if (all == 0) {
    for (const TrainSequence& s : sequences) all += total_weight(s);
  }
  std::vector<double> factors;
  factors.reserve(sequences.size());
  for (const TrainSequence& s : sequences) {
    switch (options.aggregation) {
      case Aggregation::kSequenceSum:
        factors.push_back(1 / n);
        break;
      case Aggregation::kSequenceMean:
        factors.push_back(inverse(n * total_weight(s)));
        break;
      case Aggregation::kTokenMean:
        factors.push_back(inverse(all));
        break;
      case Aggregation::kFixedLength:
        factors.push_back(1 / (n * options.fixed_length));
        break;
    }
  }
  return factors;
}

bool matters(const TrainSequence& s, const LossOptions& options) {
  const bool term = options.kl_weight != 0 || options.entropy_weight != 0;
  for (size_t t = 0; t < s.scored(); ++t) {
    if (options.loss == Loss::kDerivative ? s.derivative[t] != 0
                                          : s.weight_at(t) != 0 && s.advantage_at(t) != 0) {
      return true;
    }
    if (term && s.weight_at(t) != 0) return true;
  }
  return false;
}

TokenLoss token_loss(const LossOptions& options, double factor, const TrainSequence& s, size_t t,
                     double logprob) {
  TokenLoss out;
  const double weight = s.weights.empty() ? factor : factor * s.weights[t], advantage = s.advantage_at(t);
  switch (options.loss) {
    case Loss::kReinforce:
      out.value = -weight * advantage * logprob;
      out.derivative = -weight * advantage;
      break;
    case Loss::kPpoClip: {
      const double ratio = std::exp(logprob - s.behavior_logprobs[t]);
      const double bounded = std::clamp(ratio, 1.0 - options.clip_low, 1.0 + options.clip_high);
      out.clipped = bounded * advantage < ratio * advantage;
      out.value = -weight * (out.clipped ? bounded : ratio) * advantage;
      out.derivative = out.clipped ? 0 : -weight * ratio * advantage;
      break;
    }
    case Loss::kDerivative:
      out.derivative = factor * s.derivative[t];
      break;
  }
  if (!s.reference_logprobs.empty()) add_kl(options, weight, logprob, s.reference_logprobs[t], out);
  return out;
}

}  // namespace swirl
