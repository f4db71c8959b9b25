#include "bindings/js_error.h"

#include <exception>
#include <new>
#include <stdexcept>
#include <system_error>

namespace swirl {
namespace {

constexpr auto kNoMemory = "the system has no memory left";
constexpr auto kFreeMemory =
    "lower memoryBudget, the batch or maxTokensPerMicroBatch, or free memory on this machine";

}  // namespace

const ErrorPointer& out_of_memory() {
  static const ErrorPointer error = std::make_shared<const Error>("MEMORY", "", kNoMemory, kFreeMemory);
  return error;
}

ErrorPointer make_error(const char* code, const char* op, const char* problem, const char* remedy) noexcept {
  try {
    return std::make_shared<const Error>(code, op, std::string(op) + problem, remedy);
  } catch (...) {
    return out_of_memory();
  }
}

ErrorPointer caught(const char* op) noexcept {
  try {
    try {
      throw;
    } catch (const Error& error) {
      return std::make_shared<const Error>(error);
    } catch (const std::bad_alloc&) {
      return make_error("MEMORY", op, (std::string(": ") + kNoMemory).c_str(), kFreeMemory);
    } catch (const std::length_error&) {  // of a container: more than could ever be allocated
      return make_error("MEMORY", op, (std::string(": ") + kNoMemory).c_str(), kFreeMemory);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::resource_unavailable_try_again) throw;
      return make_error("MEMORY", op, ": the system can start no further thread",
                        "lower threads, or raise the limits of this process (ulimit -u, ulimit -v)");
    }
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::exception& error) {
    try {
      return make_error("INTERNAL", op, (std::string(": ") + error.what()).c_str());
    } catch (...) {
      return out_of_memory();
    }
  } catch (...) {
    return make_error("INTERNAL", op, ": an unknown exception");
  }
}

Napi::Error to_js_error(Napi::Env env, const Error& error) {
  Napi::Error js = Napi::Error::New(env, error.what());
  js.Set("code", error.code);
  if (!error.remedy.empty()) js.Set("remedy", error.remedy);
  Napi::Object details = Napi::Object::New(env);
  if (!error.op.empty()) details.Set("op", error.op);
  if (!error.field.empty()) {
    details.Set("field", error.field);
    details.Set("value", error.value);
  }
  if (!error.tensor.empty()) details.Set("tensor", error.tensor);
  js.Set("details", details);
  return js;
}

}  // namespace swirl
