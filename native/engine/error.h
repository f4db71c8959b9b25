// The only exception type of the engine. The bindings turn it into a JavaScript error.
#ifndef SWIRL_ENGINE_ERROR_H_
#define SWIRL_ENGINE_ERROR_H_

#include <stdexcept>
#include <string>
#include <utility>

namespace swirl {

// Codes are those of src/errors/swirl-error.ts.
struct Error : std::runtime_error {
  Error(std::string code, std::string op, const std::string& message, std::string remedy = "")
      : std::runtime_error(message), code(std::move(code)), op(std::move(op)), remedy(std::move(remedy)) {}
  std::string code;    // "INPUT", "MEMORY", "DEVICE", "DEVICE_LOST", "ABORTED", "NUMERICS", "INTERNAL", …
  std::string op;      // what was running: "update", "gemm", …
  std::string remedy;  // what to do next; may be empty
  // Empty when they do not apply: the wrong argument ("batch[3].tokens"), its value, the name of a parameter.
  std::string field, value, tensor;
};

// Error for a wrong argument: "OP: FIELD is VALUE, must be EXPECTED".
inline Error argument_error(const std::string& code, const std::string& op, const std::string& field,
                            const std::string& value, const std::string& expected,
                            const std::string& remedy) {
  Error error(code, op, op + ": " + field + " is " + value + ", must be " + expected, remedy);
  error.field = field;
  error.value = value;
  return error;
}

}  // namespace swirl

#endif  // SWIRL_ENGINE_ERROR_H_
