// Finds the kernel tables of this machine: the CPU's, and those of modules next to the addon.
//
// A module is loaded once per process, when it is first needed, and stays loaded. Safe from any thread. Nothing throws.
#ifndef SWIRL_KERNELS_REGISTRY_H_
#define SWIRL_KERNELS_REGISTRY_H_

#include <string>
#include <vector>

#include "kernels.h"

namespace swirl {

// kind: "cpu" or "cuda". Null when it cannot be used, with the `reason`. A returned table has at least
// one device.
const swirl_kernels* find_kernels(const std::string& kind, std::string* reason);

// Devices that can be opened here, e.g. {"cpu", "cuda:0"}.
std::vector<std::string> device_names();

struct MissingDevice {
  std::string name;    // "cuda"
  std::string reason;  // "this build has no CUDA module …"
};

std::vector<MissingDevice> missing_devices();

}  // namespace swirl

#endif  // SWIRL_KERNELS_REGISTRY_H_
