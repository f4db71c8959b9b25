// The module itself: version, devices, createEngine. Everything an environment owns lives in its instance
// data.
#include <napi.h>

#include "native/kernels/kernels.h"

namespace swirl {
namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", SWIRL_VERSION);
  exports.Set("kernelsVersion", Napi::Number::New(env, SWIRL_KERNELS_VERSION));
  return exports;
}

}  // namespace
}  // namespace swirl

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return swirl::Init(env, exports); }
NODE_API_MODULE(swirl, InitModule)
