// Errors on their way to JavaScript: swirl::Error as a JavaScript error with `code`, `remedy` and `details` as
// properties (src/native/from-native.ts turns it into a SwirlError), and every other exception as a swirl::Error.
//
// A function that JavaScript or Node calls may throw only Napi::Error, and the engine thread may throw nothing:
// anything else ends the process. So errors can be created even when memory is exhausted.
#ifndef SWIRL_BINDINGS_JS_ERROR_H_
#define SWIRL_BINDINGS_JS_ERROR_H_

#include <napi.h>

#include <memory>

#include "native/engine/error.h"

namespace swirl {

using ErrorPointer = std::shared_ptr<const Error>;

// MEMORY, without the name of an op; allocated by the first call, which the module makes when it is loaded.
const ErrorPointer& out_of_memory();

// "<op><problem>"; out_of_memory() if the text cannot be allocated.
ErrorPointer make_error(const char* code, const char* op, const char* problem,
                        const char* remedy = "") noexcept;

// The exception in flight, for use in a catch block: MEMORY for a failed allocation or thread start, INTERNAL for
// anything else that is not a swirl::Error. Not for Napi::Error, which already is a JavaScript exception.
ErrorPointer caught(const char* op) noexcept;

// Allocates nothing outside V8.
Napi::Error to_js_error(Napi::Env, const Error&);

// Runs `work` for a synchronous function: its exception becomes a JavaScript exception.
template <typename Work>
auto throwing(Napi::Env env, const char* op, Work work) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, *caught(op));
  }
}

}  // namespace swirl

#endif  // SWIRL_BINDINGS_JS_ERROR_H_
