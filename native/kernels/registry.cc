#include "registry.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

namespace swirl {
namespace {

struct Module {
  const swirl_kernels* kernels = nullptr;
  std::string reason;
};

// The folder that this code was loaded from, with a trailing slash: the addon's, or a test program's.
std::string own_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&find_kernels), &info) == 0 || info.dli_fname == nullptr)
    return "./";
  const std::string path = info.dli_fname;
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

// SWIRL_CUDA_MODULE names another module: the tests' emulated GPU, or a build elsewhere.
std::string cuda_path() {
  const char* chosen = std::getenv("SWIRL_CUDA_MODULE");
  return chosen != nullptr && *chosen != 0 ? chosen : own_folder() + "swirl_cuda.so";
}

Module load_cuda() {
  Module module;
  const std::string path = cuda_path();
  if (access(path.c_str(), F_OK) != 0) {
    module.reason = "this build has no CUDA module (" + path + " is not there; building it needs nvcc)";
    return module;
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    module.reason = "the CUDA module does not load: " + (why == nullptr ? path : std::string(why));
    return module;
  }
  const auto entry = reinterpret_cast<swirl_module_kernels_fn>(dlsym(library, "swirl_module_kernels"));
  const swirl_kernels* kernels = entry == nullptr ? nullptr : entry();
  if (kernels == nullptr) {
    module.reason = path + " offers no kernel table";
  } else if (kernels->version != SWIRL_KERNELS_VERSION) {
    module.reason = path + " has kernel table " + std::to_string(kernels->version) + ", the engine needs " +
                    std::to_string(SWIRL_KERNELS_VERSION);
  } else if (kernels->count() <= 0) {
    const char* why = kernels->last_error(nullptr);
    module.reason =
        std::string("no CUDA device answers") + (why != nullptr && *why ? std::string(": ") + why : "");
  } else {
    module.kernels = kernels;
  }
  return module;
}

const Module& cuda() {
  static const Module module = load_cuda();  // thread-safe, once
  return module;
}

}  // namespace

const swirl_kernels* find_kernels(const std::string& kind, std::string* reason) {
  if (kind == "cpu") return swirl_cpu_kernels();
  if (kind != "cuda") {
    *reason = "there is no device of the kind \"" + kind + "\"; the kinds are cpu and cuda";
    return nullptr;
  }
  if (cuda().kernels == nullptr) *reason = cuda().reason;
  return cuda().kernels;
}

std::vector<std::string> device_names() {
  std::vector<std::string> names = {"cpu"};
  if (const Module& module = cuda(); module.kernels != nullptr) {
    for (int32_t i = 0; i < module.kernels->count(); ++i) names.push_back("cuda:" + std::to_string(i));
  }
  return names;
}

std::vector<MissingDevice> missing_devices() {
  if (const Module& module = cuda(); module.kernels == nullptr) return {{"cuda", module.reason}};
  return {};
}

}  // namespace swirl
