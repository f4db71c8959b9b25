// AddonData: what the addon keeps per JavaScript environment (the main thread or a worker), as Node-API
// instance data: the class of engine handles, and the engines alive. The set is shared with the engines, because
// either may go first when the environment ends.
#ifndef SWIRL_BINDINGS_ADDON_DATA_H_
#define SWIRL_BINDINGS_ADDON_DATA_H_

#include <napi.h>

#include <memory>
#include <set>

namespace swirl {

class EngineCalls;

struct AddonData {
  Napi::FunctionReference engine_class;
  Napi::FunctionReference array_buffer;  // the constructor
  std::shared_ptr<std::set<EngineCalls*>> engines = std::make_shared<std::set<EngineCalls*>>();
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ADDON_DATA_H_
