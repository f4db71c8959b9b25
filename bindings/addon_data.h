// AddonData: the addon's data per JavaScript environment (main thread or worker), stored as Node-API instance data: the
// class of engine handles, and the live engines. The engines share ownership of that set, because either may be
// destroyed first when the environment ends.
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
