#include <algorithm>
#include <cmath>

#include "engine_state.h"
#include "error.h"
#include "validate.h"

namespace swirl {

void check_cancelled(const Call& call, const char* op) {
  if (call.cancelled && call.cancelled->load(std::memory_order_relaxed)) {
    throw Error("ABORTED", op, std::string(op) + " was aborted; the weights are unchanged");
  }
}

Engine::Engine(const EngineOptions& options) {
  validate(options.config);
  if (options.compact_state && options.dtype != SWIRL_BFLOAT16) {
    throw Error("INPUT", "createEngine",
                "compact optimizer state keeps the weights in bfloat16, not in float32",
                "use dtype: \"bfloat16\" with optimizerState: \"compact\"");
  }
  state_ = std::make_unique<State>(options);
}

Engine::~Engine() = default;

std::vector<ParameterInfo> Engine::parameters(const std::string& adapter) const {
  const std::lock_guard lock(state_->adapters_mutex);
  return state_->tensors(state_->adapter(adapter, "parameters")).infos();
}

void Engine::write_tensor(const std::string& name, TensorKind kind, swirl_dtype dtype, const uint8_t* bytes,
                          size_t count_bytes, int64_t first, const std::string& adapter_name) {
  State& s = *state_;
  Adapter* const adapter = s.adapter(adapter_name, "writeTensor");
  Tensors& tensors = s.tensors(adapter);
  s.make_room(tensors, name, kind);
  tensors.check_values(name, kind, dtype, first, bytes, count_bytes);
  if (kind == TensorKind::kWeight) s.weights_change(adapter);
  if (kind == TensorKind::kGradient) {
    tensors.begin_gradient("writeTensor");
    tensors.gradient_state = GradientState::kReady;
  }
  tensors.write(name, kind, dtype, first, bytes, count_bytes);
}

std::vector<uint8_t> Engine::read_tensor(const std::string& name, TensorKind kind, swirl_dtype dtype,
                                         int64_t first, int64_t count, const std::string& adapter) {
  State& s = *state_;
  Tensors& tensors = s.tensors(s.adapter(adapter, "readTensor"));
  if (kind == TensorKind::kGradient && tensors.gradient_state == GradientState::kTorn) {
    tensors.begin_gradient("readTensor");  // throws with the reason
  }
  s.make_room(tensors, name, kind);
  return tensors.read(name, kind, dtype, first, count);
}

int64_t Engine::optimizer_step(const std::string& adapter) const {
  return state_->tensors(state_->adapter(adapter, "optimizerStep")).step;
}

void Engine::set_optimizer_step(int64_t step, const std::string& adapter) {
  state_->tensors(state_->adapter(adapter, "setOptimizerStep")).step = step;
}

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
  validate_temperature(temperature, "options.temperature", "logprobs");
  Adapter* const adapter = s.adapter(call.adapter, "logprobs");
  Sequences listed;
  for (const Sequence& sequence : sequences) listed.push_back(&sequence);
  const std::vector<int32_t> order = tree_order(listed);
  const State::Run run =
      s.prepare(listed, order, tree, max_tokens_per_micro_batch, adapter, false, "logprobs");
  std::vector<float> logprob(run.tree.labels());
  int64_t done = 0;
  const auto check = [&] { check_cancelled(call, "logprobs"); };
  for (size_t b = 0; b < run.parts.size(); ++b) {
    check();
    const Batch& batch = run.schedule.batches[b];
    const BatchLists& part = run.parts[b];
    const Rows rows = upload(part, s.device, s.lists);
    const Activations a = s.model.above(run.workspace.activations, batch.base);
    s.model.forward(rows, a, nullptr, check);
    const Head::Result result = s.head.run(part, a, run.workspace.head, temperature, nullptr, false);
    for (int32_t i = 0; i < part.labels(); ++i) logprob[part.label[i]] = result.logprob[i];
    done += batch.rows;
    if (call.progress) call.progress(done, run.tree.rows());
  }
  std::vector<std::vector<float>> out(sequences.size());
  for (size_t i = 0; i < order.size(); ++i) {
    for (const int32_t label : run.tree.sequence_label[i]) {
      if (!std::isfinite(logprob[label])) {
        throw Error("NUMERICS", "logprobs",
                    "logprobs: a log-prob of sequence " + std::to_string(order[i]) + " is not finite",
                    "the weights are too large for this model's arithmetic: load an earlier checkpoint");
      }
      out[order[i]].push_back(logprob[label]);
    }
  }
  return out;
}

std::vector<std::vector<Completion>> Engine::generate(const std::vector<Prompt>& prompts,
                                                      const GenerateOptions& options, const Call& call,
                                                      GenerateStats* stats) {
  State& s = *state_;
  validate(s.options.config, prompts, options);
  const Adapter* const adapter = s.adapter(call.adapter, "generate");
  const uint64_t room = s.budget - std::min(s.budget, s.held_bytes());
  return s.sampler.generate(prompts, options, s.text, adapter, room, call, stats);
}

Estimate Engine::estimate(int64_t tree_tokens, int64_t labels, const std::string& adapter) const {
  const std::lock_guard lock(state_->adapters_mutex);
  return state_->estimate(tree_tokens, labels, state_->adapter(adapter, "estimate"));
}

uint64_t Engine::bytes() const { return state_->device.bytes(); }
uint64_t Engine::peak_bytes() const { return state_->device.peak_bytes(); }
uint64_t Engine::budget() const { return state_->budget; }
Profile* Engine::profile() { return state_->device.profile(); }

}  // namespace swirl
