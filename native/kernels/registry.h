// Finds the devices of this machine: the CPU's table, and those of modules that lie beside the addon.
//
// A module is loaded once per process, on first need, and stays. Safe from any thread. Nothing throws.
#ifndef SWIRL_KERNELS_REGISTRY_H_
#define SWIRL_KERNELS_REGISTRY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernels.h"

namespace swirl {

struct FoundDevice {
  const swirl_kernels* kernels = nullptr;  // null when it cannot be used; then `reason` says why
  int32_t ordinal = 0;                     // for kernels->open
  std::string reason;
};

// name: "cpu", "cuda" (the first), "cuda:N".
FoundDevice find_device(const std::string& name);

// What can be opened here, e.g. {"cpu", "cuda:0"}.
std::vector<std::string> device_names();

struct MissingDevice {
  std::string name;    // "cuda"
  std::string reason;  // "built without a CUDA compiler …"
};

std::vector<MissingDevice> missing_devices();

}  // namespace swirl

#endif  // SWIRL_KERNELS_REGISTRY_H_
