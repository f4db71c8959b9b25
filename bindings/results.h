// Converts results of the engine to new JavaScript values.
#ifndef SWIRL_BINDINGS_RESULTS_H_
#define SWIRL_BINDINGS_RESULTS_H_

#include <napi.h>

#include <cstring>
#include <string>
#include <vector>

#include "native/engine/types.h"
#include "native/kernels/kernels.h"
#include "native/kernels/profile.h"

namespace swirl {

// Throws MEMORY. Calls JavaScript's constructor, which throws when memory is exhausted; napi_create_arraybuffer would
// end the process.
Napi::ArrayBuffer array_buffer(Napi::Env, size_t bytes);

// A typed array with its own buffer.
template <typename Array, typename Element>
Array typed_array(Napi::Env env, const std::vector<Element>& from) {
  const size_t bytes = from.size() * sizeof(Element);
  Napi::ArrayBuffer buffer = array_buffer(env, bytes);
  if (bytes != 0) std::memcpy(buffer.Data(), from.data(), bytes);
  return Array::New(env, from.size(), buffer, 0);
}

Napi::Value to_js(Napi::Env, const std::vector<std::vector<float>>& logprobs);
Napi::Value to_js(Napi::Env, const std::vector<ParameterInfo>&);
Napi::Value to_js(Napi::Env, const GradientMetrics&);
Napi::Value to_js(Napi::Env, const StepMetrics&);
Napi::Value to_js(Napi::Env, const UpdateMetrics&);
Napi::Value to_js(Napi::Env, const std::vector<std::vector<Completion>>&, const GenerateStats&);
Napi::Value to_js(Napi::Env, const swirl_device_info&);
Napi::Value to_js(Napi::Env, const ProfileReport&);

inline Napi::Number number(Napi::Env env, double x) { return Napi::Number::New(env, x); }
inline Napi::Number number(Napi::Env env, int64_t x) {
  return Napi::Number::New(env, static_cast<double>(x));
}
inline Napi::Number number(Napi::Env env, uint64_t x) {
  return Napi::Number::New(env, static_cast<double>(x));
}

}  // namespace swirl

#endif  // SWIRL_BINDINGS_RESULTS_H_
