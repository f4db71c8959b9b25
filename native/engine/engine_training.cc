// Training: gradients of a batch, and the optimizer step.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "engine_state.h"
#include "error.h"
#include "loss.h"
#include "validate.h"

namespace swirl {
namespace {

class Stopwatch {
 public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
  }

 private:
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// Which scored tokens use each label, so that a shared label gets the sum of their derivatives. Masked tokens
// use none.
struct LabelUsers {
  struct User {
    int32_t sequence, token;  // in the order given; from action_start
  };
  std::vector<int32_t> offset;  // [labels + 1]
  std::vector<User> users;

  LabelUsers(const TokenTree& tree, const std::vector<const TrainSequence*>& sequences,
             const std::vector<int32_t>& order)
      : offset(tree.labels() + 1, 0) {
    const auto each = [&](const auto& visit) {
      for (size_t i = 0; i < tree.sequence_label.size(); ++i) {
        const auto& labels = tree.sequence_label[i];
        for (size_t t = 0; t < labels.size(); ++t) {
          if (sequences[order[i]]->weight_at(t) != 0) visit(labels[t], order[i], static_cast<int32_t>(t));
        }
      }
    };
    each([&](int32_t label, int32_t, int32_t) { ++offset[label + 1]; });
    for (size_t i = 1; i < offset.size(); ++i) offset[i] += offset[i - 1];
    users.resize(offset.back());
    std::vector<int32_t> next(offset.begin(), offset.end() - 1);
    each([&](int32_t label, int32_t sequence, int32_t token) { users[next[label]++] = {sequence, token}; });
  }
};

// The log-probs differ from those that the caller computed its derivatives from: these belong to other weights.
[[noreturn]] void stale(const char* op, int32_t sequence, int32_t token, float expected, float found) {
  const std::string field =
      "batch[" + std::to_string(sequence) + "].expectedLogprobs[" + std::to_string(token) + "]";
  Error error = argument_error("NUMERICS", op, field, std::to_string(expected),
                               std::to_string(found) + ", the current log-prob, to the bit",
                               "compute the log-probs again: they are of other weights or another sequence");
  throw error;
}

}  // namespace

GradientMetrics Engine::State::accumulate(const std::vector<TrainSequence>& batch, const LossOptions& loss,
                                          Adapter* adapter, const Call& call, const char* op, bool& begun) {
  Tensors& trained = tensors(adapter);
  const std::vector<double> all_factors = sequence_factors(batch, loss);
  GradientMetrics m;
  // Sequences that cannot change the gradient are left out of the tree; the factors still count them.
  std::vector<const TrainSequence*> sequences;
  std::vector<int32_t> index;  // [sequences] in the batch
  std::vector<double> factors;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (loss.loss == Loss::kDerivative) m.loss += all_factors[i] * batch[i].value;
    if (!matters(batch[i], loss)) {
      m.tokens += static_cast<int64_t>(batch[i].tokens.size());
      ++m.left_out;
      continue;
    }
    sequences.push_back(&batch[i]);
    index.push_back(static_cast<int32_t>(i));
    factors.push_back(all_factors[i]);
  }
  begun = sequences.empty();
  if (begun) {
    trained.begin_gradient(op);
    return m;
  }

  const Sequences scored(sequences.begin(), sequences.end());
  const std::vector<int32_t> order = tree_order(scored);
  const Run run = prepare(scored, order, loss.tree, loss.max_tokens_per_micro_batch, adapter, true, op);
  const TokenTree& tree = run.tree;
  const LabelUsers users(tree, sequences, order);
  begun = true;
  trained.begin_gradient(op);

  m.micro_batches = static_cast<int64_t>(run.schedule.batches.size());
  m.tokens += tree.sequence_tokens;
  m.tree_tokens = tree.tree_tokens;
  m.labels = users.offset.back();
  double entropy = 0, kl = 0, clipped = 0, logprob_sum = 0;
  int64_t done = 0;
  const auto check = [&] { check_cancelled(call, op); };
  for (const Schedule::Step step : run.schedule.steps) {
    check();
    const Batch& part_batch = run.schedule.batches[step.batch];
    const BatchLists& part = run.parts[step.batch];
    const Rows rows = upload(part, device, lists);
    const Activations a = model.above(run.workspace.activations, part_batch.base);
    if (step.backward) {
      model.backward(rows, a, check);
      done += part_batch.rows;
      if (call.progress) call.progress(done, tree.rows());
      continue;
    }
    model.forward(rows, a, nullptr, check);
    model.begin_gradient(rows, a);
    const Head::Coefficients coefficients = [&](const Head::Chunk& chunk) {
      for (int32_t row = chunk.first_row; row < chunk.last_row; ++row) {
        const double row_entropy = chunk.entropy[row - chunk.first_row];
        double entropy_derivative = 0;
        for (int32_t i = part.label_offset[row]; i < part.label_offset[row + 1]; ++i) {
          const int32_t label = part.label[i];
          const float logprob = chunk.logprob[i - chunk.first_label];
          double derivative = 0;
          for (int32_t u = users.offset[label]; u < users.offset[label + 1]; ++u) {
            const auto [sequence, token] = users.users[u];
            const TrainSequence& s = *sequences[sequence];
            if (!s.expected_logprobs.empty() && s.expected_logprobs[token] != logprob) {
              stale(op, index[sequence], token, s.expected_logprobs[token], logprob);
            }
            const TokenLoss l = token_loss(loss, factors[sequence], s, token, logprob);
            derivative += l.derivative;
            m.loss += l.value;
            kl += l.kl;
            clipped += l.clipped;
            logprob_sum += logprob;
            if (loss.entropy_weight != 0) {
              const double weight = loss.entropy_weight * factors[sequence] * s.weight_at(token);
              m.loss -= weight * row_entropy;
              entropy_derivative -= weight;
            }
          }
          chunk.coefficient[i - chunk.first_label] = static_cast<float>(derivative);
        }
        if (chunk.entropy_coefficient) {
          chunk.entropy_coefficient[row - chunk.first_row] = static_cast<float>(entropy_derivative);
        }
      }
    };
    const Head::Result result =
        head.run(part, a, run.workspace.head, loss.temperature, &coefficients, loss.entropy_weight != 0);
    for (size_t row = 0; row < part.tree_row.size(); ++row) {
      const int32_t at = part.tree_row[row];
      const int32_t uses = users.offset[tree.label_offset[at + 1]] - users.offset[tree.label_offset[at]];
      entropy += double(result.entropy[row]) * uses;
    }
  }

  const double n = std::max<double>(1, double(m.labels));
  m.entropy = entropy / n;
  m.kl = kl / n;
  m.clip_ratio = clipped / n;
  m.mean_logprob = logprob_sum / n;
  return m;
}

GradientMetrics Engine::State::forward_backward(const std::vector<TrainSequence>& batch,
                                                const LossOptions& loss, Adapter* adapter, const Call& call,
                                                const char* op) {
  validate(options.config, batch, loss, op);
  Tensors& trained = tensors(adapter);
  trained.require_trainable(op);
  const Stopwatch watch;
  device.reset_peak();
  if (!adapter)
    model.drop_packed();  // the step makes them stale; a step of an adapter does not change the base
  GradientMetrics m;
  bool begun = false;
  try {
    m = accumulate(batch, loss, adapter, call, op, begun);
  } catch (...) {
    // Part of this call may be in the buffer.
    GradientState& state = trained.gradient_state;
    if (begun && state == GradientState::kReady) {
      state = GradientState::kTorn;
    } else if (begun && state != GradientState::kTorn) {
      trained.drop_gradient();
    }
    throw;
  }
  trained.gradient_state = GradientState::kReady;
  trained.loss_finite = trained.loss_finite && std::isfinite(m.loss);
  m.peak_bytes = device.peak_bytes();
  m.milliseconds = watch.milliseconds();
  return m;
}

StepMetrics Engine::State::step(const OptimizerOptions& optimizer, Adapter* adapter, const Call& call,
                                const char* op) {
  Tensors& trained = tensors(adapter);
  validate(optimizer, trained.infos().size(), op);
  if (trained.gradient_state == GradientState::kTorn) trained.begin_gradient(op);  // throws with the reason
  if (trained.gradient_state != GradientState::kReady) {
    throw Error("INPUT", op, std::string(op) + ": there are no gradients since the last step",
                "call forwardBackward first");
  }
  const Stopwatch watch;
  make_room([&] { return trained.missing_bytes(TensorKind::kAdamM); });
  StepMetrics m;
  const std::vector<double> squares = trained.gradient_squares(optimizer);
  double sum = 0;
  for (size_t i = 0; i < squares.size(); ++i) {
    m.group_grad_norms.push_back(std::sqrt(squares[i]));
    sum += squares[i];
  }
  m.grad_norm = std::isfinite(sum) ? std::sqrt(sum) : std::numeric_limits<double>::quiet_NaN();
  if (!trained.loss_finite) {
    m.skip_reason = "the loss is not finite";
  } else if (!std::isfinite(m.grad_norm)) {
    m.skip_reason = "the gradient of " + trained.first_infinite_gradient() + " is not finite";
  } else {
    check_cancelled(call, op);
    // torch's clip_grad_norm_, its 1e-6 included.
    const double scale =
        optimizer.max_grad_norm > 0 ? std::min(1.0, optimizer.max_grad_norm / (m.grad_norm + 1e-6)) : 1;
    m.skip_reason = trained.adamw_step(optimizer, scale);
    if (m.skip_reason.empty()) weights_change(adapter);
  }
  trained.gradient_state = GradientState::kSpent;
  m.peak_bytes = device.peak_bytes();
  m.milliseconds = watch.milliseconds();
  return m;
}

GradientMetrics Engine::forward_backward(const std::vector<TrainSequence>& batch, const LossOptions& loss,
                                         const Call& call) {
  constexpr auto op = "forwardBackward";
  return state_->forward_backward(batch, loss, state_->adapter(call.adapter, op), call, op);
}

StepMetrics Engine::optim_step(const OptimizerOptions& optimizer, const Call& call) {
  constexpr auto op = "optimStep";
  Adapter* const adapter = state_->adapter(call.adapter, op);
  state_->device.reset_peak();
  return state_->step(optimizer, adapter, call, op);
}

void Engine::zero_gradients(const std::string& adapter) {
  state_->tensors(state_->adapter(adapter, "zeroGradients")).drop_gradient();
}

UpdateMetrics Engine::update(const std::vector<TrainSequence>& batch, const LossOptions& loss,
                             const OptimizerOptions& optimizer, const Call& call) {
  constexpr auto op = "update";
  State& s = *state_;
  Adapter* const adapter = s.adapter(call.adapter, op);
  Tensors& trained = s.tensors(adapter);
  validate(s.options.config, batch, loss, op);
  validate(optimizer, trained.infos().size(), op);
  trained.require_trainable(op);
  s.weights_change(adapter);  // cached rows are stale after the step, and their memory is needed now
  if (s.sampler.cache().empty()) s.sampler.cache().release();
  trained.gradient_state = GradientState::kSpent;
  UpdateMetrics m;
  m.gradient = s.forward_backward(batch, loss, adapter, call, op);
  try {
    m.step = s.step(optimizer, adapter, call, op);
  } catch (...) {
    trained.drop_gradient();
    throw;
  }
  m.step.milliseconds += m.gradient.milliseconds;
  return m;
}

}  // namespace swirl
