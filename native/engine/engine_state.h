// Engine::State: the parts of an engine, and the memory plan of each call, made before the call begins.
#ifndef SWIRL_ENGINE_ENGINE_STATE_H_
#define SWIRL_ENGINE_ENGINE_STATE_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "adapter.h"
#include "device.h"
#include "engine.h"
#include "head.h"
#include "model.h"
#include "parameters.h"
#include "sampler.h"
#include "schedule.h"

namespace swirl {

// Throws Error("ABORTED") when the call was cancelled.
void check_cancelled(const Call&, const char* op);

struct Engine::State {
  explicit State(const EngineOptions&);

  EngineOptions options;
  Device device;
  uint64_t budget;
  Parameters parameters;
  // By name. Only the engine's thread changes it, under the mutex; other threads read it under the mutex.
  std::map<std::string, std::unique_ptr<Adapter>> adapters;
  mutable std::mutex adapters_mutex;
  Model model;
  Head head;
  Buffer workspace, lists;
  Sampler sampler;
  TokenBytes text;

  // The adapter of this name, null for "". Throws INPUT, listing the existing names.
  Adapter* adapter(const std::string& name, const char* op) const;
  // The tensors that a call with this adapter (or null) trains, reads and writes.
  Tensors& tensors(Adapter* adapter) { return adapter ? static_cast<Tensors&>(*adapter) : parameters; }
  // Drops what was computed with weights that change: those of an adapter, or, with null, those of the base, and thus
  // all.
  void weights_change(const Adapter*);

  struct Workspace {
    Activations activations;
    Head::Scratch head;
  };
  // A tree that is ready to run, with its schedule and its memory.
  struct Run {
    TokenTree tree;
    Schedule schedule;
    std::vector<BatchLists> parts;  // [batches]
    Keep keep = Keep::kNothing;
    Workspace workspace;
    int32_t labels = 0;  // maximum per batch
    uint64_t workspace_bytes = 0, lists_bytes = 0;
  };
  // `rows`: maximum rows per batch, 0 = the default. Throws MEMORY, with the sizes, if it cannot fit.
  Run prepare(const Sequences&, const std::vector<int32_t>& order, bool share, int32_t rows, Adapter*,
              bool backward, const char* op);

  // Bytes that the base and the adapters hold now: weights, gradients, moments.
  uint64_t held_bytes() const;
  // Additional bytes for a tree, as if it did not branch: an upper bound. Any thread that keeps the adapter.
  uint64_t tree_bytes(int64_t stack, int64_t rows, int64_t labels, Keep, const Adapter*) const;
  Estimate estimate(int64_t tree_tokens, int64_t labels, const Adapter*) const;  // under the adapters' mutex

  // Frees caches until `more()` further bytes fit into the budget, the cheapest to rebuild first: packed matrices,
  // the workspace, the KV cache. If that is not enough, the later allocation fails.
  template <class More>
  void make_room(const More& more) {
    const auto fits = [&] { return device.bytes() + more() <= budget; };
    if (!fits()) model.drop_packed();
    if (!fits()) {
      workspace.resize(0);
      lists.resize(0);
    }
    if (!fits()) sampler.cache().release();
  }
  // The same, before a tensor is written or read.
  void make_room(const Tensors&, const std::string& name, TensorKind);

  // Gradients of the whole batch, in the order of the schedule, added to the gradient buffer. begun: whether
  // that was touched.
  GradientMetrics accumulate(const std::vector<TrainSequence>&, const LossOptions&, Adapter*, const Call&,
                             const char* op, bool& begun);
  // The same, with the gradient's state kept: see Engine::forward_backward.
  GradientMetrics forward_backward(const std::vector<TrainSequence>&, const LossOptions&, Adapter*,
                                   const Call&, const char* op);
  StepMetrics step(const OptimizerOptions&, Adapter*, const Call&, const char* op);

 private:
  Workspace plan(Arena&, int64_t stack, int64_t rows, int64_t labels, Keep, const Adapter*) const;
  uint64_t workspace_bytes(int64_t stack, int64_t rows, int64_t labels, Keep, const Adapter*) const;
  // Maximum rows of the stack that fit into the budget, assuming that one batch holds them all.
  int32_t stack_that_fits(uint64_t fixed, Keep, const Adapter*) const;
  // What a pass may keep, from most to least: the first that fits is used.
  std::vector<Keep> keep_levels(bool backward) const;
  // Schedules the tree on a stack of at most `stack` rows, and computes the bytes that this needs.
  void cut(Run&, int32_t stack, int32_t rows, Keep most, const Adapter*) const;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_ENGINE_STATE_H_
