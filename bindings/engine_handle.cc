#include "bindings/engine_handle.h"

#include <utility>
#include <vector>

#include "bindings/addon_data.h"
#include "bindings/argument.h"
#include "bindings/requests.h"
#include "bindings/results.h"
#include "native/kernels/profile.h"

namespace swirl {
namespace {

int64_t read_optional_size(const Argument& argument, int64_t absent) {
  return argument.absent() ? absent : argument.integer(0, int64_t(1) << 53);
}

// For methods that return promises: an exception of `work` becomes a rejection.
template <typename Work>
Napi::Value rejecting(const EngineCalls& calls, const char* op, Work work) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    return calls.rejected(*caught(op));
  }
}

}  // namespace

Napi::Function EngineHandle::define(Napi::Env env) {
  return DefineClass(
      env, "Engine",
      {InstanceMethod("parameters", &EngineHandle::parameters),
       InstanceMethod("addAdapter", &EngineHandle::add_adapter),
       InstanceMethod("removeAdapter", &EngineHandle::remove_adapter),
       InstanceMethod("writeTensor", &EngineHandle::write_tensor),
       InstanceMethod("readTensor", &EngineHandle::read_tensor),
       InstanceMethod("optimizerStep", &EngineHandle::optimizer_step),
       InstanceMethod("setOptimizerStep", &EngineHandle::set_optimizer_step),
       InstanceMethod("setTokenBytes", &EngineHandle::set_token_bytes),
       InstanceMethod("logprobs", &EngineHandle::logprobs),
       InstanceMethod("forwardBackward", &EngineHandle::forward_backward),
       InstanceMethod("optimStep", &EngineHandle::optim_step),
       InstanceMethod("zeroGradients", &EngineHandle::zero_gradients),
       InstanceMethod("update", &EngineHandle::update), InstanceMethod("generate", &EngineHandle::generate),
       InstanceMethod("estimate", &EngineHandle::estimate), InstanceMethod("memory", &EngineHandle::memory),
       InstanceMethod("profile", &EngineHandle::profile), InstanceMethod("dispose", &EngineHandle::dispose)});
}

EngineHandle::EngineHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineHandle>(info) {
  constexpr auto op = "createEngine";
  throwing(info.Env(), op, [&] {
    options_ = read_engine_options(Argument(info[0], "options", op, "CONFIG"));
    calls_ = std::make_unique<EngineCalls>(info.Env(), info.Env().GetInstanceData<AddonData>()->engines,
                                           [this](bool needed) { needed ? Ref() : Unref(); });
  });
}

void EngineHandle::create_now() { calls_->create_now(options_); }

Napi::Value EngineHandle::create() {
  return calls_->create(options_, [this](Napi::Env) { return Value(); });
}

Napi::Value EngineHandle::parameters(const Napi::CallbackInfo& info) {
  constexpr auto op = "parameters";
  return throwing(info.Env(), op, [&] {
    const std::string adapter = read_adapter(Argument(info[0], "adapter", op));
    return to_js(info.Env(), calls_->engine(op).parameters(adapter));
  });
}

EngineHandle::Step EngineHandle::step_of(const std::string& adapter) {
  Step& step = steps_[adapter];
  if (!step) step = std::make_shared<std::atomic<int64_t>>(0);
  return step;
}

Napi::Value EngineHandle::add_adapter(const Napi::CallbackInfo& info) {
  constexpr auto op = "addAdapter";
  return rejecting(*calls_, op, [&] {
    const std::string name = Argument(info[0], "name", op).text();
    AdapterOptions options = read_adapter_options(Argument(info[1], "options", op));
    return calls_->start(op, info.Env().Undefined(),
                         [name, options = std::move(options)](Engine& engine, Call&) -> EngineCalls::Finish {
                           engine.add_adapter(name, options);
                           return [](Napi::Env env) { return env.Undefined(); };
                         });
  });
}

Napi::Value EngineHandle::remove_adapter(const Napi::CallbackInfo& info) {
  constexpr auto op = "removeAdapter";
  return rejecting(*calls_, op, [&] {
    const std::string name = Argument(info[0], "name", op).text();
    return calls_->start(op, info.Env().Undefined(),
                         [name, step = step_of(name)](Engine& engine, Call&) -> EngineCalls::Finish {
                           engine.remove_adapter(name);
                           *step = 0;  // of the next adapter with this name
                           return [](Napi::Env env) { return env.Undefined(); };
                         });
  });
}

Napi::Value EngineHandle::write_tensor(const Napi::CallbackInfo& info) {
  constexpr auto op = "writeTensor";
  return rejecting(*calls_, op, [&] {
    const std::string name = Argument(info[0], "name", op).text();
    const TensorKind kind = read_tensor_kind(Argument(info[1], "kind", op));
    const swirl_dtype dtype = read_dtype(Argument(info[2], "dtype", op));
    auto data = std::make_shared<std::vector<uint8_t>>(Argument(info[3], "data", op).bytes());
    const int64_t first = read_optional_size(Argument(info[4], "first", op), kWhole);
    const std::string adapter = read_adapter(Argument(info[5], "adapter", op));
    return calls_->start(op, info.Env().Undefined(), [=](Engine& engine, Call&) -> EngineCalls::Finish {
      engine.write_tensor(name, kind, dtype, data->data(), data->size(), first, adapter);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value EngineHandle::read_tensor(const Napi::CallbackInfo& info) {
  constexpr auto op = "readTensor";
  return rejecting(*calls_, op, [&] {
    const std::string name = Argument(info[0], "name", op).text();
    const TensorKind kind = read_tensor_kind(Argument(info[1], "kind", op));
    const swirl_dtype dtype = read_dtype(Argument(info[2], "dtype", op));
    const int64_t first = read_optional_size(Argument(info[3], "first", op), kWhole);
    const int64_t count = read_optional_size(Argument(info[4], "count", op), kWhole);
    const std::string adapter = read_adapter(Argument(info[5], "adapter", op));
    return calls_->start(op, info.Env().Undefined(), [=](Engine& engine, Call&) -> EngineCalls::Finish {
      return [bytes = engine.read_tensor(name, kind, dtype, first, count, adapter)](Napi::Env env) {
        return typed_array<Napi::Uint8Array>(env, bytes);
      };
    });
  });
}

Napi::Value EngineHandle::optimizer_step(const Napi::CallbackInfo& info) {
  constexpr auto op = "optimizerStep";
  return throwing(info.Env(), op, [&]() -> Napi::Value {
    const std::string adapter = read_adapter(Argument(info[0], "adapter", op));
    calls_->engine(op).parameters(adapter);  // throws when disposed, or if there is no such adapter
    return number(info.Env(), step_of(adapter)->load());
  });
}

void EngineHandle::set_optimizer_step(const Napi::CallbackInfo& info) {
  constexpr auto op = "setOptimizerStep";
  throwing(info.Env(), op, [&] {
    const int64_t step = Argument(info[0], "step", op).integer(0);
    const std::string adapter = read_adapter(Argument(info[1], "adapter", op));
    calls_->engine(op).parameters(adapter);  // throws if there is no such adapter
    const Step shown = step_of(adapter);
    calls_->post(op, [step, adapter, shown](Engine& engine) {
      engine.set_optimizer_step(step, adapter);
      *shown = step;
    });
    *shown = step;
  });
}

void EngineHandle::set_token_bytes(const Napi::CallbackInfo& info) {
  constexpr auto op = "setTokenBytes";
  throwing(info.Env(), op, [&] {
    auto read = read_token_bytes(Argument(info[0], "bytes", op), Argument(info[1], "offsets", op), config_);
    calls_->post(op,
                 [bytes = std::move(read.first), offsets = std::move(read.second)](Engine& engine) mutable {
                   engine.set_token_bytes(std::move(bytes), std::move(offsets));
                 });
  });
}

Napi::Value EngineHandle::logprobs(const Napi::CallbackInfo& info) {
  static constexpr auto op = "logprobs";
  return rejecting(*calls_, op, [&] {
    auto sequences = read_sequences(Argument(info[0], "sequences", op));
    const Argument options(info[1], "options", op);
    const auto temperature = static_cast<float>(options["temperature"].number(0));
    const bool tree = options["tree"].boolean();
    const Argument limit = options["maxTokensPerMicroBatch"];
    const auto rows = limit.absent() ? 0 : static_cast<int32_t>(limit.integer(0));
    const std::string adapter = adapter_of(Argument(info[2], "call", op));
    return calls_->start(op, info[2],
                         [sequences = std::move(sequences), temperature, tree, rows, adapter](
                             Engine& engine, Call& call) -> EngineCalls::Finish {
                           call.adapter = adapter;
                           const Profile::Call profiled(engine.profile(), op);
                           return [found = engine.logprobs(sequences, temperature, tree, rows, call)](
                                      Napi::Env env) { return to_js(env, found); };
                         });
  });
}

Napi::Value EngineHandle::forward_backward(const Napi::CallbackInfo& info) {
  static constexpr auto op = "forwardBackward";
  return rejecting(*calls_, op, [&] {
    auto batch = read_batch(Argument(info[0], "batch", op));
    const LossOptions loss = read_loss(Argument(info[1], "loss", op));
    const std::string adapter = adapter_of(Argument(info[2], "call", op));
    return calls_->start(
        op, info[2],
        [batch = std::move(batch), loss, adapter](Engine& engine, Call& call) -> EngineCalls::Finish {
          call.adapter = adapter;
          const Profile::Call profiled(engine.profile(), op);
          // Allocated first: gradients that were added must not be reported as failed.
          const auto metrics = std::make_shared<GradientMetrics>();
          EngineCalls::Finish finish = [metrics](Napi::Env env) { return to_js(env, *metrics); };
          *metrics = engine.forward_backward(batch, loss, call);
          return finish;
        });
  });
}

Napi::Value EngineHandle::optim_step(const Napi::CallbackInfo& info) {
  static constexpr auto op = "optimStep";
  return rejecting(*calls_, op, [&] {
    const OptimizerOptions optimizer = read_optimizer(Argument(info[0], "optimizer", op));
    const std::string adapter = adapter_of(Argument(info[1], "call", op));
    return calls_->start(
        op, info[1],
        [optimizer, adapter, shown = step_of(adapter)](Engine& engine, Call& call) -> EngineCalls::Finish {
          call.adapter = adapter;
          const Profile::Call profiled(engine.profile(), op);
          // Allocated first: a step that was taken must not be reported as failed.
          const auto metrics = std::make_shared<StepMetrics>();
          EngineCalls::Finish finish = [metrics](Napi::Env env) { return to_js(env, *metrics); };
          *metrics = engine.optim_step(optimizer, call);
          *shown = engine.optimizer_step(call.adapter);
          return finish;
        });
  });
}

Napi::Value EngineHandle::zero_gradients(const Napi::CallbackInfo& info) {
  constexpr auto op = "zeroGradients";
  return rejecting(*calls_, op, [&] {
    const std::string adapter = read_adapter(Argument(info[0], "adapter", op));
    return calls_->start(op, info.Env().Undefined(), [adapter](Engine& engine, Call&) -> EngineCalls::Finish {
      engine.zero_gradients(adapter);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value EngineHandle::update(const Napi::CallbackInfo& info) {
  static constexpr auto op = "update";
  return rejecting(*calls_, op, [&] {
    auto batch = read_batch(Argument(info[0], "batch", op));
    const LossOptions loss = read_loss(Argument(info[1], "loss", op));
    const OptimizerOptions optimizer = read_optimizer(Argument(info[2], "optimizer", op));
    const std::string adapter = adapter_of(Argument(info[3], "call", op));
    return calls_->start(op, info[3],
                         [batch = std::move(batch), loss, optimizer, adapter, shown = step_of(adapter)](
                             Engine& engine, Call& call) -> EngineCalls::Finish {
                           call.adapter = adapter;
                           const Profile::Call profiled(engine.profile(), op);
                           // Allocated first: an update that was applied must not be reported as failed.
                           const auto metrics = std::make_shared<UpdateMetrics>();
                           EngineCalls::Finish finish = [metrics](Napi::Env env) {
                             return to_js(env, *metrics);
                           };
                           *metrics = engine.update(batch, loss, optimizer, call);
                           *shown = engine.optimizer_step(call.adapter);
                           return finish;
                         });
  });
}

Napi::Value EngineHandle::generate(const Napi::CallbackInfo& info) {
  static constexpr auto op = "generate";
  return rejecting(*calls_, op, [&] {
    auto prompts = read_prompts(Argument(info[0], "prompts", op));
    auto options = read_generate_options(Argument(info[1], "options", op));
    const std::string adapter = adapter_of(Argument(info[2], "call", op));
    return calls_->start(op, info[2],
                         [prompts = std::move(prompts), options = std::move(options), adapter](
                             Engine& engine, Call& call) -> EngineCalls::Finish {
                           call.adapter = adapter;
                           const Profile::Call profiled(engine.profile(), op);
                           GenerateStats stats;
                           auto completions = engine.generate(prompts, options, call, &stats);
                           return [completions = std::move(completions), stats](Napi::Env env) {
                             return to_js(env, completions, stats);
                           };
                         });
  });
}

Napi::Value EngineHandle::estimate(const Napi::CallbackInfo& info) {
  constexpr auto op = "estimate";
  return throwing(info.Env(), op, [&]() -> Napi::Value {
    const Estimate found = calls_->engine(op).estimate(Argument(info[0], "treeTokens", op).integer(0),
                                                       Argument(info[1], "labels", op).integer(0),
                                                       read_adapter(Argument(info[2], "adapter", op)));
    Napi::Object js = Napi::Object::New(info.Env());
    js.Set("bytes", number(info.Env(), found.bytes));
    js.Set("budget", number(info.Env(), found.budget));
    return js;
  });
}

Napi::Value EngineHandle::memory(const Napi::CallbackInfo& info) {
  constexpr auto op = "memory";
  return throwing(info.Env(), op, [&]() -> Napi::Value {
    const Engine& engine = calls_->engine(op);
    Napi::Object js = Napi::Object::New(info.Env());
    js.Set("bytes", number(info.Env(), engine.bytes()));
    js.Set("peakBytes", number(info.Env(), engine.peak_bytes()));
    js.Set("budget", number(info.Env(), engine.budget()));
    return js;
  });
}

// Queued like the calls it reports on, so that it includes all earlier ones.
Napi::Value EngineHandle::profile(const Napi::CallbackInfo& info) {
  static constexpr auto op = "profile";
  return rejecting(*calls_, op, [&] {
    return calls_->start(op, info.Env().Undefined(), [](Engine& engine, Call&) -> EngineCalls::Finish {
      if (engine.profile() == nullptr) {
        throw Error("CONFIG", op, "profile: this engine was opened without a profile",
                    "load the policy with profile: true, or use --profile");
      }
      return [report = engine.profile()->report()](Napi::Env env) { return to_js(env, report); };
    });
  });
}

void EngineHandle::dispose(const Napi::CallbackInfo& info) {
  throwing(info.Env(), "dispose", [&] { calls_->dispose(); });
}

}  // namespace swirl
