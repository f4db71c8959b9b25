#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine_state.h"
#include "error.h"
#include "loss.h"

namespace swirl {
namespace {

void stop_if_cancelled(const Call& call, const char* op) {
  if (call.cancelled && call.cancelled->load(std::memory_order_relaxed)) {
    throw Error("ABORTED", op, std::string(op) + " was aborted; the weights are unchanged");
  }
}

// Which scored tokens use each label, so that a shared label gets the sum of their derivatives.
struct LabelUsers {
  struct User {
    int32_t sequence, token;  // in tree order; from action_start
  };
  std::vector<int32_t> offset;  // [labels + 1]
  std::vector<User> users;

  explicit LabelUsers(const TokenTree& tree) : offset(tree.labels() + 1, 0) {
    for (const auto& labels : tree.sequence_label) {
      for (const int32_t label : labels) ++offset[label + 1];
    }
    for (size_t i = 1; i < offset.size(); ++i) offset[i] += offset[i - 1];
    users.resize(offset.back());
    std::vector<int32_t> next(offset.begin(), offset.end() - 1);
    for (size_t i = 0; i < tree.sequence_label.size(); ++i) {
      const auto& labels = tree.sequence_label[i];
      for (size_t t = 0; t < labels.size(); ++t) {
        users[next[labels[t]]++] = {static_cast<int32_t>(i), static_cast<int32_t>(t)};
      }
    }
  }
};

}  // namespace

Engine::Engine(const EngineOptions& options) {
  validate(options.config);
  state_ = std::make_unique<State>(options);
}

Engine::~Engine() = default;

const std::vector<ParameterInfo>& Engine::parameters() const { return state_->parameters.infos(); }

void Engine::write_tensor(const std::string& name, TensorKind kind, swirl_dtype dtype, const uint8_t* bytes,
                          size_t count_bytes, int64_t first) {
  if (kind == TensorKind::kWeight) {
    state_->sampler.cache().drop();
    state_->model.drop_packed();
  }
  state_->make_room(name, kind);
  state_->parameters.write(name, kind, dtype, first, bytes, count_bytes);
}

std::vector<uint8_t> Engine::read_tensor(const std::string& name, TensorKind kind, swirl_dtype dtype,
                                         int64_t first, int64_t count) {
  state_->make_room(name, kind);
  return state_->parameters.read(name, kind, dtype, first, count);
}

int64_t Engine::optimizer_step() const { return state_->parameters.step; }
void Engine::set_optimizer_step(int64_t step) { state_->parameters.step = step; }

void Engine::set_token_bytes(std::vector<uint8_t> bytes, std::vector<int32_t> offsets) {
  bool good = offsets.size() == size_t(state_->options.config.vocab) + 1 && offsets.front() == 0 &&
              size_t(offsets.back()) == bytes.size();
  for (size_t i = 1; good && i < offsets.size(); ++i) good = offsets[i] >= offsets[i - 1];
  if (!good) {
    throw Error("INPUT", "setTokenBytes",
                "offsets must be vocab + 1 ascending numbers from 0 to the bytes' length",
                "pass what Tokenizer.tokenBytes returns, padded to the model's vocabulary");
  }
  state_->text = {std::move(bytes), std::move(offsets)};
}

std::vector<std::vector<float>> Engine::logprobs(const std::vector<Sequence>& sequences, float temperature,
                                                 bool tree, int32_t max_tokens_per_micro_batch,
                                                 const Call& call) {
  State& s = *state_;
  validate(s.options.config, sequences, "logprobs");
  const std::vector<int32_t> order = tree_order(sequences);
  const State::Run run = s.prepare(sequences, order, tree, max_tokens_per_micro_batch, false, "logprobs");
  std::vector<float> logprob(run.tree.labels());
  int64_t done = 0;
  const auto look = [&] { stop_if_cancelled(call, "logprobs"); };
  for (size_t b = 0; b < run.parts.size(); ++b) {
    look();
    const Batch& batch = run.schedule.batches[b];
    const BatchLists& part = run.parts[b];
    const Rows rows = upload(part, s.device, s.lists);
    const Activations a = s.model.above(run.workspace.activations, batch.base, run.keep);
    s.model.forward(rows, a, nullptr, look);
    const Head::Result result = s.head.run(part, a, run.workspace.head, temperature, nullptr);
    for (int32_t i = 0; i < part.labels(); ++i) logprob[part.label[i]] = result.logprob[i];
    done += batch.rows;
    if (call.progress) call.progress(done, run.tree.rows());
  }
  std::vector<std::vector<float>> out(sequences.size());
  for (size_t i = 0; i < order.size(); ++i) {
    for (const int32_t label : run.tree.sequence_label[i]) out[order[i]].push_back(logprob[label]);
  }
  return out;
}

// Gradients of the whole batch into the parameters' gradient buffer, in the order of the schedule.
UpdateMetrics Engine::State::accumulate(const std::vector<Sequence>& sequences, const LossOptions& loss,
                                        const Call& call, const char* op) {
  validate(options.config, sequences, op);
  if (!options.trainable) {
    throw Error("INPUT", op, "this engine was opened with trainable: false",
                "open the policy with trainable: true");
  }
  const bool needs_behavior = loss.loss == Loss::kPpoClip;
  const bool needs_reference = loss.kl_weight != 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const char* missing = needs_behavior && sequences[i].behavior_logprobs.empty()     ? "behaviorLogprobs"
                          : needs_reference && sequences[i].reference_logprobs.empty() ? "referenceLogprobs"
                                                                                       : nullptr;
    if (missing) {
      throw Error("INPUT", op,
                  "sequence " + std::to_string(i) + ": " + missing + " is missing, and this loss needs it",
                  needs_behavior ? "pass the log-probs that generate recorded"
                                 : "pass the reference policy's logprobs, or set klWeight to 0");
    }
  }

  const auto started = std::chrono::steady_clock::now();
  device.reset_peak();
  sampler.cache().release();  // stale after the step, and its memory is needed now
  model.drop_packed();
  const std::vector<int32_t> order = tree_order(sequences);
  const Run run = prepare(sequences, order, loss.tree, loss.max_tokens_per_micro_batch, true, op);
  const TokenTree& tree = run.tree;
  const LabelUsers users(tree);
  const std::vector<double> weights = token_weights(sequences, loss.aggregation);
  parameters.begin_gradient();

  UpdateMetrics m;
  m.micro_batches = static_cast<int64_t>(run.schedule.batches.size());
  m.tokens = tree.sequence_tokens;
  m.tree_tokens = tree.tree_tokens;
  m.labels = users.offset.back();
  double entropy = 0, kl = 0, clipped = 0, logprob_sum = 0;
  int64_t done = 0;
  const auto look = [&] { stop_if_cancelled(call, op); };
  for (const Schedule::Step step : run.schedule.steps) {
    look();
    const Batch& batch = run.schedule.batches[step.batch];
    const BatchLists& part = run.parts[step.batch];
    const Rows rows = upload(part, device, lists);
    const Activations a = model.above(run.workspace.activations, batch.base, run.keep);
    if (step.backward) {
      model.backward(rows, a, look);
      done += batch.rows;
      if (call.progress) call.progress(done, tree.rows());
      continue;
    }
    model.forward(rows, a, nullptr, look);
    model.begin_gradient(rows, a);
    const Head::Coefficients coefficients = [&](int32_t first, int32_t last, const float* logprob,
                                                float* out) {
      for (int32_t i = first; i < last; ++i) {
        const int32_t label = part.label[i];
        double derivative = 0;
        for (int32_t u = users.offset[label]; u < users.offset[label + 1]; ++u) {
          const int32_t index = order[users.users[u].sequence], token = users.users[u].token;
          const Sequence& s = sequences[index];
          const TokenLoss l =
              token_loss(loss, weights[index], s.advantage, logprob[i - first],
                         s.behavior_logprobs.empty() ? nullptr : &s.behavior_logprobs[token],
                         s.reference_logprobs.empty() ? nullptr : &s.reference_logprobs[token]);
          derivative += l.derivative;
          m.loss += l.value;
          kl += l.kl;
          clipped += l.clipped;
          logprob_sum += logprob[i - first];
        }
        out[i - first] = static_cast<float>(derivative);
      }
    };
    const Head::Result result = head.run(part, a, run.workspace.head, loss.temperature, &coefficients);
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
  m.grad_norm = parameters.gradient_norm();
  m.peak_bytes = device.peak_bytes();
  m.skipped = !std::isfinite(m.loss) || !std::isfinite(m.grad_norm);
  m.milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  return m;
}

UpdateMetrics Engine::gradients(const std::vector<Sequence>& sequences, const LossOptions& loss,
                                const Call& call) {
  return state_->accumulate(sequences, loss, call, "gradients");
}

UpdateMetrics Engine::update(const std::vector<Sequence>& sequences, const LossOptions& loss,
                             const OptimizerOptions& optimizer, const Call& call) {
  State& s = *state_;
  const auto started = std::chrono::steady_clock::now();
  UpdateMetrics m = s.accumulate(sequences, loss, call, "update");
  if (!m.skipped) {
    stop_if_cancelled(call, "update");
    // torch's clip_grad_norm_, its 1e-6 included.
    const double scale =
        optimizer.max_grad_norm > 0 ? std::min(1.0, optimizer.max_grad_norm / (m.grad_norm + 1e-6)) : 1;
    s.parameters.adamw_step(optimizer, scale);
    m.peak_bytes = s.device.peak_bytes();
  }
  m.milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  return m;
}

std::vector<std::vector<Completion>> Engine::generate(const std::vector<Prompt>& prompts,
                                                      const GenerateOptions& options, const Call& call,
                                                      GenerateStats* stats) {
  State& s = *state_;
  const ModelConfig& c = s.options.config;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::string which = "prompt " + std::to_string(i) + ": ";
    const auto& tokens = prompts[i].tokens;
    if (tokens.empty())
      throw Error("INPUT", "generate", which + "is empty", "a prompt has at least one token");
    if (tokens.size() >= size_t(c.max_positions)) {
      throw Error("INPUT", "generate",
                  which + "has " + std::to_string(tokens.size()) + " tokens, the context holds " +
                      std::to_string(c.max_positions) + " and a completion needs at least one",
                  "shorten the prompt");
    }
    if (prompts[i].max_new_tokens < 1) {
      throw Error("INPUT", "generate", which + "maxNewTokens is " + std::to_string(prompts[i].max_new_tokens),
                  "a completion has at least one token");
    }
    for (size_t t = 0; t < tokens.size(); ++t) {
      if (tokens[t] < 0 || tokens[t] >= c.vocab) {
        throw Error("INPUT", "generate",
                    which + "tokens[" + std::to_string(t) + "] is " + std::to_string(tokens[t]) +
                        ", the vocabulary has ids 0 to " + std::to_string(c.vocab - 1),
                    "use the tokenizer that belongs to this model");
      }
    }
  }
  if (prompts.empty()) return {};
  const uint64_t room = s.budget - std::min(s.budget, s.parameters.bytes());
  return s.sampler.generate(prompts, options, s.text, room, call, stats);
}

Estimate Engine::estimate(int64_t tree_tokens, int64_t labels) const {
  const bool backward = state_->options.trainable;
  const int64_t rows = std::min<int64_t>(tree_tokens, state_->device.info().batch_rows);
  const Keep keep = backward ? Keep::kAll : Keep::kKeys;
  return {state_->fixed_bytes(backward) + state_->tree_bytes(tree_tokens, rows, labels, keep),
          state_->budget};
}

uint64_t Engine::bytes() const { return state_->device.bytes(); }
uint64_t Engine::peak_bytes() const { return state_->device.peak_bytes(); }
uint64_t Engine::budget() const { return state_->budget; }
Profile* Engine::profile() { return state_->device.profile(); }

}  // namespace swirl
