// EngineHandle: the class NativeEngine of src/native/addon.ts. Converts arguments and returns promises; no logic.
#ifndef SWIRL_BINDINGS_ENGINE_HANDLE_H_
#define SWIRL_BINDINGS_ENGINE_HANDLE_H_

#include <napi.h>

#include <map>
#include <memory>
#include <string>

#include "bindings/engine_calls.h"
#include "native/engine/engine.h"

namespace swirl {

class EngineHandle : public Napi::ObjectWrap<EngineHandle> {
 public:
  static Napi::Function define(Napi::Env);
  // new EngineHandle(options: EngineOptions): without an engine yet. Throws a JavaScript error.
  explicit EngineHandle(const Napi::CallbackInfo&);
  // Creates the engine. Call exactly one of the two, once. The promise resolves to this handle.
  void create_now();
  Napi::Value create();

 private:
  Napi::Value parameters(const Napi::CallbackInfo&);
  Napi::Value add_adapter(const Napi::CallbackInfo&);
  Napi::Value remove_adapter(const Napi::CallbackInfo&);
  Napi::Value write_tensor(const Napi::CallbackInfo&);
  Napi::Value read_tensor(const Napi::CallbackInfo&);
  Napi::Value optimizer_step(const Napi::CallbackInfo&);
  void set_optimizer_step(const Napi::CallbackInfo&);
  void set_token_bytes(const Napi::CallbackInfo&);
  Napi::Value logprobs(const Napi::CallbackInfo&);
  Napi::Value forward_backward(const Napi::CallbackInfo&);
  Napi::Value optim_step(const Napi::CallbackInfo&);
  Napi::Value zero_gradients(const Napi::CallbackInfo&);
  Napi::Value update(const Napi::CallbackInfo&);
  Napi::Value generate(const Napi::CallbackInfo&);
  Napi::Value estimate(const Napi::CallbackInfo&);
  Napi::Value memory(const Napi::CallbackInfo&);
  Napi::Value profile(const Napi::CallbackInfo&);
  void dispose(const Napi::CallbackInfo&);

  EngineOptions options_;
  const ModelConfig& config_ = options_.config;
  using Step = std::shared_ptr<std::atomic<int64_t>>;
  // The optimizer step counts after the calls so far, by adapter, "" the base's: the engine thread writes them after each
  // update. An entry is made when JavaScript first names an adapter, and reset when one of that name is removed.
  std::map<std::string, Step> steps_;
  Step step_of(const std::string& adapter);
  std::unique_ptr<EngineCalls> calls_;
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ENGINE_HANDLE_H_
