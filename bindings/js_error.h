// swirl::Error as a JavaScript error: message, and `code`, `remedy`, `details` as properties.
// src/native/from-native.ts makes a SwirlError of it.
#ifndef SWIRL_BINDINGS_JS_ERROR_H_
#define SWIRL_BINDINGS_JS_ERROR_H_

#include <napi.h>

#include <exception>

#include "native/engine/error.h"

namespace swirl {

// An argument that is wrong: `field` says where ("batch[3].tokens[7]"), `value` what was there.
struct ArgumentError : Error {
  ArgumentError(const std::string& code, const std::string& op, const std::string& field,
                const std::string& value, const std::string& expected, const std::string& remedy);
  std::string field, value;
};

Napi::Error to_js_error(Napi::Env, const Error&);

// The exception in flight as a swirl::Error: what is not one already becomes MEMORY or INTERNAL.
Error as_error(std::exception_ptr, const char* op);

}  // namespace swirl

#endif  // SWIRL_BINDINGS_JS_ERROR_H_
