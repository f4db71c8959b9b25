#include "bindings/js_error.h"

#include <new>

namespace swirl {

ArgumentError::ArgumentError(const std::string& code, const std::string& op, const std::string& field,
                             const std::string& value, const std::string& expected, const std::string& remedy)
    : Error(code, op, op + ": " + field + " is " + value + ", must be " + expected, remedy),
      field(field),
      value(value) {}

Napi::Error to_js_error(Napi::Env env, const Error& error) {
  Napi::Error js = Napi::Error::New(env, error.what());
  js.Set("code", error.code);
  if (!error.remedy.empty()) js.Set("remedy", error.remedy);
  Napi::Object details = Napi::Object::New(env);
  if (!error.op.empty()) details.Set("op", error.op);
  if (const auto* argument = dynamic_cast<const ArgumentError*>(&error)) {
    details.Set("field", argument->field);
    details.Set("value", argument->value);
  }
  js.Set("details", details);
  return js;
}

Error as_error(std::exception_ptr thrown, const char* op) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error("MEMORY", op, std::string(op) + ": the system has no memory left",
                 "lower memoryBudget, the batch or maxTokensPerMicroBatch, or free memory on this machine");
  } catch (const std::exception& other) {
    return Error("INTERNAL", op, std::string(op) + ": " + other.what());
  }
}

}  // namespace swirl
