// The memory of an engine: its budget, what a tree needs, and the caches that are freed for it.
#include <algorithm>

#include "engine_state.h"
#include "error.h"
#include "memory_text.h"

namespace swirl {
namespace {

// Sets and returns the memory budget; refuses a model whose weights do not fit, or which is to be trained and
// whose gradients and moments would not fit at the first update.
uint64_t set_budget(const EngineOptions& options, Device& device) {
  const swirl_device_info info = device.info();
  const uint64_t budget =
      options.memory_budget ? options.memory_budget : static_cast<uint64_t>(double(info.memory_free) * 0.8);
  const uint64_t weights =
      Parameters::bytes_of(options.config, options.dtype, options.trainable && !options.compact_state);
  if (weights > budget) {
    throw Error("MEMORY", "createEngine",
                "the weights need " + memory_text(weights) + "; the budget is " + memory_text(budget) + " (" +
                    memory_text(info.memory_free) + " are free on " + info.name + ")",
                "raise memoryBudget, use dtype: \"bfloat16\" or trainable: false, or a smaller model");
  }
  // Gradients in float32, and both moments: in float32, or compact in at least a byte each.
  const uint64_t floats = Parameters::bytes_of(options.config, SWIRL_FLOAT32, true);
  const uint64_t training = !options.trainable ? 0 : options.compact_state ? floats + floats / 2 : 3 * floats;
  if (weights + training > budget) {
    throw Error(
        "MEMORY", "createEngine",
        "training needs " + memory_text(weights + training) + ": weights " + memory_text(weights) +
            ", gradients and optimizer state " + memory_text(training) + "; the budget is " +
            memory_text(budget) + " (" + memory_text(info.memory_free) + " are free on " + info.name + ")",
        "train an adapter (lora: {}), use optimizerState: \"compact\", raise memoryBudget, or load it with "
        "trainable: false");
  }
  device.set_budget(budget);
  return budget;
}

}  // namespace

Engine::State::State(const EngineOptions& o)
    : options(o),
      device(o.device, o.threads, o.profile),
      budget(set_budget(o, device)),
      parameters(device, options.config, o.dtype, o.trainable, o.compact_state),
      model(device, options.config, o.dtype, parameters),
      head(device, options.config, o.dtype, parameters, model),
      workspace(device, "activations"),
      lists(device, "row lists"),
      sampler(device, options.config, o.dtype, model, head, workspace, lists) {}

uint64_t Engine::State::held_bytes() const {
  uint64_t bytes = parameters.bytes();
  for (const auto& [name, one] : adapters) bytes += one->bytes() + one->scale_bytes();
  return bytes;
}

Engine::State::Workspace Engine::State::plan(Arena& arena, int64_t stack, int64_t rows, int64_t labels,
                                             Keep keep, const Adapter* adapter) const {
  Workspace w;
  w.activations = model.plan(arena, static_cast<int32_t>(stack), static_cast<int32_t>(rows), keep, adapter);
  w.head =
      head.plan(arena, static_cast<int32_t>(rows), static_cast<int32_t>(labels), keeps_for_backward(keep));
  return w;
}

uint64_t Engine::State::workspace_bytes(int64_t stack, int64_t rows, int64_t labels, Keep keep,
                                        const Adapter* adapter) const {
  Arena measure;
  plan(measure, stack, rows, labels, keep, adapter);
  return measure.used();
}

uint64_t Engine::State::tree_bytes(int64_t stack, int64_t rows, int64_t labels, Keep keep,
                                   const Adapter* adapter) const {
  return workspace_bytes(stack, rows, labels, keep, adapter) + list_bytes(rows, 1, 1) +
         model.table_size(static_cast<int32_t>(std::min<int64_t>(stack, options.config.max_positions)));
}

int32_t Engine::State::stack_that_fits(uint64_t fixed, Keep keep, const Adapter* adapter) const {
  int32_t low = 0, high = 1 << 22;
  while (low < high) {
    const int32_t middle = (low + high + 1) / 2;
    if (fixed + tree_bytes(middle, middle, middle, keep, adapter) <= budget) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

std::vector<Keep> Engine::State::keep_levels(bool backward) const {
  if (!backward) return {Keep::kKeys};
  switch (options.recompute) {
    case Recompute::kAuto:
      return {Keep::kAll, Keep::kAllButMlp, Keep::kLayers};
    case Recompute::kNone:
      return {Keep::kAll};
    case Recompute::kMlp:
      return {Keep::kAllButMlp};
    case Recompute::kLayers:
      break;
  }
  return {Keep::kLayers};
}

Estimate Engine::State::estimate(int64_t tree_tokens, int64_t labels, const Adapter* adapter) const {
  const bool backward = (adapter ? adapter->trainable() : parameters.trainable());
  const int64_t rows = std::min<int64_t>(tree_tokens, device.info().batch_rows);
  uint64_t fixed = parameters.weight_bytes() + (backward ? parameters.training_bytes() : 0);
  for (const auto& [name, one] : adapters) {
    fixed += one->weight_bytes() + one->scale_bytes() + (backward ? one->training_bytes() : 0);
  }
  uint64_t needed = 0;
  for (const Keep keep : keep_levels(backward)) {
    needed = fixed + tree_bytes(tree_tokens, rows, labels, keep, adapter);
    if (needed <= budget) break;
  }
  return {needed, budget};
}

void Engine::State::cut(Run& run, int32_t stack, int32_t rows, Keep most, const Adapter* adapter) const {
  run.schedule = schedule(run.tree, stack, rows);
  run.keep = most != Keep::kKeys || run.schedule.nested ? most : Keep::kNothing;
  run.parts.clear();
  run.lists_bytes = 0;
  run.labels = 0;
  for (const Batch& batch : run.schedule.batches) {
    run.parts.push_back(batch_lists(run.tree, run.schedule, batch));
    run.lists_bytes = std::max<uint64_t>(run.lists_bytes, list_bytes(run.parts.back()));
    run.labels = std::max(run.labels, run.parts.back().labels());
  }
  run.workspace_bytes =
      workspace_bytes(run.schedule.stack_rows, run.schedule.batch_rows, run.labels, run.keep, adapter);
}

Engine::State::Run Engine::State::prepare(const Sequences& sequences, const std::vector<int32_t>& order,
                                          bool share, int32_t rows, Adapter* adapter, bool backward,
                                          const char* op) {
  if (rows <= 0) rows = device.info().batch_rows;
  const uint64_t missing = backward ? tensors(adapter).missing_bytes() : 0;
  const uint64_t fixed = held_bytes() + missing;
  int64_t longest = 1;
  for (const Sequence* s : sequences) longest = std::max(longest, static_cast<int64_t>(s->tokens.size()) - 1);
  Run run;
  run.tree = build_tree(sequences, order, share);
  const auto positions = static_cast<int32_t>(longest + 1);
  const auto all = [&] {
    return fixed + model.table_bytes(positions) + run.workspace_bytes + run.lists_bytes;
  };
  // In addition to the longest path there should be room for batches of some size: small ones take as long as large
  // ones.
  const int64_t enough = std::min<int64_t>(run.tree.rows(), longest + rows / 4);
  const std::vector<Keep> levels = keep_levels(backward);
  for (const Keep most : levels) {
    const bool last = most == levels.back();
    const int32_t fit = stack_that_fits(fixed, most, adapter);
    if (fit < enough && !last) continue;
    if (fit < longest) {
      throw Error(
          "MEMORY", op,
          "one sequence of " + std::to_string(longest + 1) + " tokens needs " +
              memory_text(fixed + tree_bytes(longest, longest, longest, most, adapter)) + " (" +
              memory_text(fixed) + " of it weights" + (backward ? ", gradients and optimizer state" : "") +
              "); the budget is " + memory_text(budget),
          std::string("raise memoryBudget, ") +
              (most == Keep::kAll || most == Keep::kAllButMlp ? "use recompute: \"auto\" or " : "use ") +
              "dtype: \"bfloat16\", or shorten the sequences");
    }
    cut(run, fit, rows, most, adapter);
    // A tree with many branches needs longer lists than a plain one, so its stack is lower.
    for (int64_t stack = std::min(fit, run.schedule.stack_rows); all() > budget && stack > longest;) {
      stack = std::max(longest, stack * 7 / 8);
      cut(run, static_cast<int32_t>(stack), rows, most, adapter);
    }
    if (all() <= budget) break;
  }
  make_room([&] {
    const auto growth = [](uint64_t need, uint64_t held) { return need > held ? need - held : 0; };
    return missing + growth(model.table_bytes(positions), model.table_bytes()) +
           growth(run.workspace_bytes, workspace.bytes()) + growth(run.lists_bytes, lists.bytes());
  });
  model.reach_position(positions);
  workspace.reserve(run.workspace_bytes);
  lists.reserve(run.lists_bytes);
  Arena arena(workspace.as<void>());
  run.workspace =
      plan(arena, run.schedule.stack_rows, run.schedule.batch_rows, run.labels, run.keep, adapter);
  return run;
}

void Engine::State::make_room(const Tensors& tensors, const std::string& name, TensorKind kind) {
  make_room([&] { return tensors.staging_bytes(name) + tensors.missing_bytes(kind); });
}

}  // namespace swirl
