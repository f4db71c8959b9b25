// What one JavaScript environment (main thread or worker) owns: the class of engine handles, the constructor of
// ArrayBuffer, and the engines alive. Kept as instance data; shared with the engines, because either may go first when the environment
// ends.
#ifndef SWIRL_BINDINGS_ENVIRONMENT_H_
#define SWIRL_BINDINGS_ENVIRONMENT_H_

#include <napi.h>

#include <memory>
#include <set>

namespace swirl {

class EngineCalls;

struct Environment {
  Napi::FunctionReference engine_class;
  Napi::FunctionReference array_buffer;  // the constructor
  std::shared_ptr<std::set<EngineCalls*>> engines = std::make_shared<std::set<EngineCalls*>>();
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ENVIRONMENT_H_
