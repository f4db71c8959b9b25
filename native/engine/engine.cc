#include "engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "error.h"
#include "head.h"
#include "loss.h"
#include "sampler.h"
#include "schedule.h"

namespace swirl {
namespace {

std::string mebibytes(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

void stop_if_cancelled(const Call& call, const char* op) {
  if (call.cancelled && call.cancelled->load(std::memory_order_relaxed)) {
    throw Error("ABORTED", op, std::string(op) + " was aborted; the weights are unchanged");
  }
}

// What the engine may hold; refuses, before anything is allocated, a model whose weights alone do not fit.
uint64_t budget_for(const EngineOptions& options, Device& device) {
  const swirl_device_info info = device.info();
  const uint64_t budget =
      options.memory_budget ? options.memory_budget : static_cast<uint64_t>(double(info.memory_free) * 0.8);
  uint64_t weights = Parameters::bytes(options.config, options.dtype, false);
  if (options.trainable && options.dtype == SWIRL_BFLOAT16) weights += 2 * weights;  // and the float32 master
  if (weights > budget) {
    throw Error("MEMORY", "createEngine",
                "the weights need " + mebibytes(weights) + "; the budget is " + mebibytes(budget) + " (" +
                    mebibytes(info.memory_free) + " are free on " + info.name + ")",
                "raise memoryBudget, use dtype: \"bfloat16\" or trainable: false, or a smaller model");
  }
  return budget;
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

struct Engine::State {
  explicit State(const EngineOptions& o)
      : options(o),
        device(o.device, o.threads, o.profile),
        budget(budget_for(o, device)),
        parameters(device, options.config, o.dtype, o.trainable),
        model(device, options.config, o.dtype, parameters),
        head(device, options.config, o.dtype, parameters, model),
        workspace(device, "activations"),
        lists(device, "row lists"),
        sampler(device, options.config, o.dtype, model, head, workspace) {}

  EngineOptions options;
  Device device;
  uint64_t budget;
  Parameters parameters;
  Model model;
  Head head;
  Buffer workspace, lists;
  Sampler sampler;
  TokenBytes text;

  struct Workspace {
    Activations activations;
    Head::Scratch head;
  };
  Workspace plan(Arena& arena, int64_t stack, int64_t rows, int64_t labels, Keep keep) const {
    Workspace w;
    w.activations = model.plan(arena, static_cast<int32_t>(stack), static_cast<int32_t>(rows), keep);
    w.head = head.plan(arena, static_cast<int32_t>(rows), static_cast<int32_t>(labels), keep == Keep::kAll);
    return w;
  }
  uint64_t workspace_bytes(int64_t stack, int64_t rows, int64_t labels, Keep keep) const {
    Arena measure;
    plan(measure, stack, rows, labels, keep);
    return measure.used();
  }
  // What stays whatever the batch: weights, and what training adds to them.
  uint64_t fixed_bytes(bool backward) const {
    return Parameters::bytes(options.config, options.dtype, backward && options.trainable);
  }

  // The most rows the stack may hold, all in one batch at worst.
  int32_t stack_that_fits(Keep keep) const {
    const uint64_t fixed = fixed_bytes(keep == Keep::kAll);
    int32_t low = 0, high = 1 << 22;
    while (low < high) {
      const int32_t middle = (low + high + 1) / 2;
      if (fixed + workspace_bytes(middle, middle, middle, keep) <= budget) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  // A tree ready to be run: its schedule, and memory laid out for it.
  struct Run {
    TokenTree tree;
    Schedule schedule;
    Keep keep;
    Workspace workspace;
  };
  // `rows`: of a batch, 0 = the default. Refuses what cannot fit, with the numbers.
  Run prepare(const std::vector<Sequence>& sequences, const std::vector<int32_t>& order, bool share,
              int32_t rows, bool backward, const char* op) {
    const Keep most = backward ? Keep::kAll : Keep::kKeys;
    const int32_t fit = stack_that_fits(most);
    for (const Sequence& s : sequences) {
      const auto needed = static_cast<int64_t>(s.tokens.size()) - 1;
      if (needed <= fit) continue;
      throw Error("MEMORY", op,
                  "one sequence of " + std::to_string(needed + 1) + " tokens needs " +
                      mebibytes(fixed_bytes(backward) + workspace_bytes(needed, needed, needed, most)) +
                      " (" + mebibytes(fixed_bytes(backward)) + " of it weights" +
                      (backward ? ", gradients and optimizer state" : "") + "); the budget is " +
                      mebibytes(budget),
                  "raise memoryBudget, use dtype: \"bfloat16\", or shorten the sequences");
    }
    Run run;
    run.tree = build_tree(sequences, order, share);
    run.schedule = schedule(run.tree, fit, rows > 0 ? rows : device.info().batch_rows);
    run.keep = backward ? Keep::kAll : run.schedule.nested ? Keep::kKeys : Keep::kNothing;
    const Schedule& s = run.schedule;
    workspace.reserve(workspace_bytes(s.stack_rows, s.batch_rows, run.tree.labels(), run.keep));
    Arena arena(workspace.as<void>());
    run.workspace = plan(arena, s.stack_rows, s.batch_rows, run.tree.labels(), run.keep);
    return run;
  }

  void reach(const std::vector<Sequence>& sequences) {
    size_t longest = 1;
    for (const Sequence& s : sequences) longest = std::max(longest, s.tokens.size());
    model.reach_position(static_cast<int32_t>(longest));
  }

  UpdateMetrics accumulate(const std::vector<Sequence>&, const LossOptions&, const Call&, const char* op);
};

Engine::Engine(const EngineOptions& options) {
  validate(options.config);
  state_ = std::make_unique<State>(options);
}

Engine::~Engine() = default;

const std::vector<ParameterInfo>& Engine::parameters() const { return state_->parameters.infos(); }

void Engine::write_tensor(const std::string& name, TensorKind kind, swirl_dtype dtype, const uint8_t* bytes,
                          size_t count_bytes) {
  if (kind == TensorKind::kWeight) {
    state_->sampler.cache().drop();
    state_->model.drop_packed();
  }
  state_->parameters.write(name, kind, dtype, bytes, count_bytes);
}

std::vector<uint8_t> Engine::read_tensor(const std::string& name, TensorKind kind, swirl_dtype dtype) {
  return state_->parameters.read(name, kind, dtype);
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
  s.reach(sequences);
  const std::vector<int32_t> order = tree_order(sequences);
  const State::Run run = s.prepare(sequences, order, tree, max_tokens_per_micro_batch, false, "logprobs");
  std::vector<float> logprob(run.tree.labels());
  int64_t done = 0;
  const auto look = [&] { stop_if_cancelled(call, "logprobs"); };
  for (const Batch& batch : run.schedule.batches) {
    look();
    const BatchLists part = batch_lists(run.tree, run.schedule, batch);
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
  reach(sequences);
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
    const BatchLists part = batch_lists(tree, run.schedule, batch);
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
  const uint64_t held = s.fixed_bytes(false) + (s.workspace.bytes());
  const uint64_t room = s.budget > held ? s.budget - held : 0;
  return s.sampler.generate(prompts, options, s.text, room, call, stats);
}

Estimate Engine::estimate(int64_t tree_tokens, int64_t labels) const {
  const bool backward = state_->options.trainable;
  return {state_->fixed_bytes(backward) +
              state_->workspace_bytes(tree_tokens,
                                      std::min<int64_t>(tree_tokens, state_->device.info().batch_rows),
                                      labels, backward ? Keep::kAll : Keep::kKeys),
          state_->budget};
}

uint64_t Engine::bytes() const { return state_->device.bytes(); }
uint64_t Engine::peak_bytes() const { return state_->device.peak_bytes(); }
uint64_t Engine::budget() const { return state_->budget; }
Profile* Engine::profile() { return state_->device.profile(); }

}  // namespace swirl
