// The module itself: version, devices, createEngine.
#include <napi.h>

#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "bindings/addon_data.h"
#include "bindings/engine_calls.h"
#include "bindings/engine_handle.h"
#include "bindings/js_error.h"
#include "bindings/results.h"
#include "native/kernels/kernels.h"
#include "native/kernels/registry.h"

namespace swirl {
namespace {

struct Found {
  std::string name;
  swirl_device_info described = {};
  std::string reason;  // why it cannot be opened; empty if it can
  swirl_status status = SWIRL_OK;
};

// Opens a device just long enough to query it.
struct OpenDevice {
  const swirl_kernels* kernels;
  swirl_device* device = nullptr;
  ~OpenDevice() {
    if (device != nullptr) kernels->close(device);
  }
};

std::vector<Found> survey() {
  std::vector<Found> all;
  for (const std::string& name : device_names()) {
    Found found;
    found.name = name;
    const auto colon = name.find(':');
    const swirl_kernels* kernels = find_kernels(name.substr(0, colon), &found.reason);
    const int32_t ordinal = colon == std::string::npos ? 0 : std::stoi(name.substr(colon + 1));
    OpenDevice open{kernels};
    found.status = kernels->open(ordinal, 0, &open.device);
    if (found.status == SWIRL_OK) found.status = kernels->describe(open.device, &found.described);
    if (found.status != SWIRL_OK) found.reason = kernels->last_error(open.device);
    all.push_back(found);
  }
  return all;
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  constexpr auto op = "devices";
  return throwing(info.Env(), op, [&]() -> Napi::Value {
    Napi::Array list = Napi::Array::New(info.Env());
    for (const Found& found : survey()) {
      if (found.status == SWIRL_OK) {
        list.Set(list.Length(), to_js(info.Env(), found.described));
      } else if (found.name == "cpu") {
        throw Error(found.status == SWIRL_OUT_OF_MEMORY ? "MEMORY" : "DEVICE", op,
                    found.name + ": " + found.reason);
      }
    }
    return list;
  });
}

// By name: kinds without a device, and single devices that cannot be opened.
Napi::Value missing(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), "missing", [&]() -> Napi::Value {
    Napi::Object reasons = Napi::Object::New(info.Env());
    for (const MissingDevice& device : missing_devices()) reasons.Set(device.name, device.reason);
    for (const Found& found : survey())
      if (found.status != SWIRL_OK && found.name != "cpu") reasons.Set(found.name, found.reason);
    return reasons;
  });
}

// A handle without an engine.
EngineHandle* new_handle(const Napi::CallbackInfo& info) {
  try {
    const auto& engine_class = info.Env().GetInstanceData<AddonData>()->engine_class;
    return EngineHandle::Unwrap(engine_class.New({info[0]}));
  } catch (const Napi::Error& error) {
    // node-addon-api allocates the handle, and reports a failure by the exception's name.
    if (error.Message() != std::bad_alloc().what()) throw;
    throw std::bad_alloc();
  }
}

Napi::Value create_engine(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), "createEngine", [&]() -> Napi::Value {
    EngineHandle* const handle = new_handle(info);
    handle->create_now();
    return handle->Value();
  });
}

// Throws for wrong options; rejects if the engine cannot be created.
Napi::Value open_engine(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), "createEngine", [&] { return new_handle(info)->create(); });
}

// Stops the engines before the process is torn down. After process.exit(), C++ destructors run with no
// regard for threads, and in the main thread no clean-up hook is called first.
void stop_at_exit(Napi::Env env, const std::shared_ptr<std::set<EngineCalls*>>& engines) {
  const Napi::Object process = env.Global().Get("process").As<Napi::Object>();
  const Napi::Function stop = Napi::Function::New(env, [engines](const Napi::CallbackInfo&) {
    while (!engines->empty()) (*engines->begin())->shut_down();  // which removes it from the set
  });
  process.Get("on").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), stop});
}

}  // namespace

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  out_of_memory();             // allocated in advance, while there is memory
  auto* data = new AddonData;  // owned by env
  data->engine_class = Napi::Persistent(EngineHandle::define(env));
  data->array_buffer = Napi::Persistent(env.Global().Get("ArrayBuffer").As<Napi::Function>());
  env.SetInstanceData(data);
  stop_at_exit(env, data->engines);
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
  exports.Set("openEngine", Napi::Function::New(env, open_engine, "openEngine"));
  exports.Set("createEngine", Napi::Function::New(env, create_engine, "createEngine"));
  return exports;
}

}  // namespace swirl

static Napi::Object initialise_module(Napi::Env env, Napi::Object exports) {
  return swirl::throwing(env, "load", [&] { return swirl::initialise(env, exports); });
}
NODE_API_MODULE(swirl, initialise_module)
