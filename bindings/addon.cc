// The module itself: version, devices, createEngine.
#include <napi.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bindings/engine_calls.h"
#include "bindings/engine_handle.h"
#include "bindings/environment.h"
#include "bindings/js_error.h"
#include "bindings/results.h"
#include "native/kernels/kernels.h"
#include "native/kernels/registry.h"

namespace swirl {
namespace {

struct Found {
  std::string name;
  swirl_device_info described = {};
  std::string reason;  // why it does not open; empty when it does
};

// Opens every device for as long as it takes to ask what it is.
std::vector<Found> survey() {
  std::vector<Found> all;
  for (const std::string& name : device_names()) {
    Found found;
    found.name = name;
    const auto colon = name.find(':');
    const swirl_kernels* kernels = find_kernels(name.substr(0, colon), &found.reason);
    const int32_t ordinal = colon == std::string::npos ? 0 : std::stoi(name.substr(colon + 1));
    swirl_device* device = nullptr;
    if (kernels->open(ordinal, 0, &device) != SWIRL_OK) {
      found.reason = kernels->last_error(nullptr);
    } else {
      if (kernels->describe(device, &found.described) != SWIRL_OK) found.reason = kernels->last_error(device);
      kernels->close(device);
    }
    all.push_back(found);
  }
  return all;
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (const Found& found : survey()) {
    if (found.reason.empty()) {
      list.Set(list.Length(), to_js(info.Env(), found.described));
    } else if (found.name == "cpu") {
      throw to_js_error(info.Env(), Error("DEVICE", "devices", found.name + ": " + found.reason));
    }
  }
  return list;
}

// By name: kinds that no device answers for, and single devices that do not open.
Napi::Value missing(const Napi::CallbackInfo& info) {
  Napi::Object reasons = Napi::Object::New(info.Env());
  for (const MissingDevice& device : missing_devices()) reasons.Set(device.name, device.reason);
  for (const Found& found : survey())
    if (!found.reason.empty() && found.name != "cpu") reasons.Set(found.name, found.reason);
  return reasons;
}

Napi::Value create_engine(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Environment>()->engine_class.New({info[0]});
}

// Stops the engines while the process is still whole. After process.exit(), C++ destructors run with no
// regard for threads, and in the main thread no clean-up hook is called first.
void stop_at_exit(Napi::Env env, const std::shared_ptr<std::set<EngineCalls*>>& engines) {
  const Napi::Object process = env.Global().Get("process").As<Napi::Object>();
  const Napi::Function stop = Napi::Function::New(env, [engines](const Napi::CallbackInfo&) {
    const std::set<EngineCalls*> alive = *engines;
    for (EngineCalls* calls : alive) calls->shut_down();
  });
  process.Get("on").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), stop});
}

}  // namespace

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment;  // owned by env
  environment->engine_class = Napi::Persistent(EngineHandle::define(env));
  env.SetInstanceData(environment);
  stop_at_exit(env, environment->engines);
  exports.Set("version", SWIRL_VERSION);
  exports.Set("kernelsVersion", Napi::Number::New(env, SWIRL_KERNELS_VERSION));
  Napi::Array libraries = Napi::Array::New(env);
  libraries.Set(0u, "portable");
#if defined(SWIRL_ONEDNN)
  libraries.Set(1u, "onednn");
#endif
  exports.Set("matrixLibraries", libraries);
  exports.Set("devices", Napi::Function::New(env, devices, "devices"));
  exports.Set("missing", Napi::Function::New(env, missing, "missing"));
  exports.Set("createEngine", Napi::Function::New(env, create_engine, "createEngine"));
  return exports;
}

}  // namespace swirl

static Napi::Object initialise_module(Napi::Env env, Napi::Object exports) {
  return swirl::initialise(env, exports);
}
NODE_API_MODULE(swirl, initialise_module)
