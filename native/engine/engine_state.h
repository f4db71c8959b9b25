// What an engine consists of, and the memory of its calls, planned before they begin.
#ifndef SWIRL_ENGINE_ENGINE_STATE_H_
#define SWIRL_ENGINE_ENGINE_STATE_H_

#include <string>
#include <vector>

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
  Model model;
  Head head;
  Buffer workspace, lists;
  Sampler sampler;
  TokenBytes text;

  struct Workspace {
    Activations activations;
    Head::Scratch head;
  };
  // A tree ready to be run: its schedule, and memory laid out for it.
  struct Run {
    TokenTree tree;
    Schedule schedule;
    std::vector<BatchLists> parts;  // [batches]
    Keep keep = Keep::kNothing;
    Workspace workspace;
    int32_t labels = 0;  // most of a batch
    uint64_t workspace_bytes = 0, lists_bytes = 0;
  };
  // `rows`: of a batch, 0 = the default. Refuses what cannot fit, with the numbers.
  Run prepare(const Sequences&, const std::vector<int32_t>& order, bool share, int32_t rows,
              bool backward, const char* op);

  // What stays whatever the batch: weights, and what training adds to them.
  uint64_t fixed_bytes(bool backward) const;
  // What a tree takes beside that when nothing of it branches.
  uint64_t tree_bytes(int64_t stack, int64_t rows, int64_t labels, Keep) const;

  // Until `more()` bytes fit beside what is held: gives back what only makes later calls faster, what is made
  // again soonest first. What does not fit even so is refused where it is allocated.
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
  // For a tensor that is written or read.
  void make_room(const std::string& name, TensorKind);

  // Gradients of the whole batch, in the order of the schedule, added to the gradient buffer. begun: whether
  // that was touched.
  GradientMetrics accumulate(const std::vector<TrainSequence>&, const LossOptions&, const Call&,
                             const char* op, bool& begun);
  // The same, with the gradient's state kept: see Engine::forward_backward.
  GradientMetrics forward_backward(const std::vector<TrainSequence>&, const LossOptions&, const Call&,
                                   const char* op);
  StepMetrics step(const OptimizerOptions&, const Call&, const char* op);

  // What the gradient buffer holds.
  enum class Gradient {
    kNone,   // zeros, or it is not there yet
    kReady,  // of every forward_backward since the last step
    kSpent,  // what the last step used
    kTorn,   // kReady, and part of a call that failed
  } gradient = Gradient::kNone;
  bool loss_finite = true;  // of what is in it
  void drop_gradient();
  // Zeros where there is nothing to add to. Refuses a torn one.
  void begin_gradient(const char* op);

 private:
  Workspace plan(Arena&, int64_t stack, int64_t rows, int64_t labels, Keep) const;
  uint64_t workspace_bytes(int64_t stack, int64_t rows, int64_t labels, Keep) const;
  // The most rows the stack may hold, all in one batch at worst.
  int32_t stack_that_fits(uint64_t fixed, Keep) const;
  // Cuts the tree for a stack of at most `stack` rows, and counts what that takes.
  void cut(Run&, int32_t stack, int32_t rows, bool backward) const;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_ENGINE_STATE_H_
