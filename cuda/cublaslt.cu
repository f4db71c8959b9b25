#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "cuda/cublaslt.h"

namespace swirl::cuda::cublaslt {
namespace {

// SWIRL_CUBLASLT names the file; else the loader's own search (LD_LIBRARY_PATH, ldconfig), then the toolkit.
std::vector<std::string> candidates() {
  if (const char* chosen = std::getenv("SWIRL_CUBLASLT"); chosen != nullptr && *chosen != 0) return {chosen};
  std::vector<std::string> files;
  std::vector<std::string> folders = {""};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* root = std::getenv(variable); root != nullptr && *root != 0)
      folders.push_back(std::string(root) + "/lib64/");
  folders.push_back("/usr/local/cuda/lib64/");
  for (const std::string& folder : folders)
    for (const char* version : {"13", "12"}) files.push_back(folder + "libcublasLt.so." + version);
  return files;
}

template <class Function>
bool resolve(void* library, const char* name, Function* out) {
  *out = reinterpret_cast<Function>(dlsym(library, name));
  return *out != nullptr;
}

bool resolve_all(void* from, Library* to) {
  return resolve(from, "cublasLtGetVersion", &to->version) && resolve(from, "cublasLtCreate", &to->create) &&
         resolve(from, "cublasLtDestroy", &to->destroy) &&
         resolve(from, "cublasLtMatmulDescCreate", &to->desc_create) &&
         resolve(from, "cublasLtMatmulDescDestroy", &to->desc_destroy) &&
         resolve(from, "cublasLtMatmulDescSetAttribute", &to->desc_set) &&
         resolve(from, "cublasLtMatrixLayoutCreate", &to->layout_create) &&
         resolve(from, "cublasLtMatrixLayoutDestroy", &to->layout_destroy) &&
         resolve(from, "cublasLtMatrixLayoutSetAttribute", &to->layout_set) &&
         resolve(from, "cublasLtMatmulPreferenceCreate", &to->preference_create) &&
         resolve(from, "cublasLtMatmulPreferenceDestroy", &to->preference_destroy) &&
         resolve(from, "cublasLtMatmulPreferenceSetAttribute", &to->preference_set) &&
         resolve(from, "cublasLtMatmulAlgoGetHeuristic", &to->heuristic) &&
         resolve(from, "cublasLtMatmulAlgoConfigGetAttribute", &to->algo_get) &&
         resolve(from, "cublasLtMatmul", &to->matmul);
}

struct Search {
  Library library = {};
  bool found = false;
  std::string reason;
};

Search search() {
  Search out;
  std::string looked;
  for (const std::string& file : candidates()) {
    void* opened = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (opened == nullptr) {
      const char* why = dlerror();
      looked += "\n  " + (why != nullptr ? std::string(why) : file);
      continue;
    }
    if (resolve_all(opened, &out.library)) {
      out.library.file = file;
      out.found = true;
      return out;
    }
    looked += "\n  " + file + ": lacks functions of cuBLASLt 12";
    dlclose(opened);
  }
  out.reason =
      "cuBLASLt is not found; looked for:" + looked +
      "\nit comes with the CUDA toolkit (Debian: apt-get install libcublas-13-0) or with `pip install "
      "nvidia-cublas`; SWIRL_CUBLASLT=FILE names it";
  return out;
}

}  // namespace

const Library* open_library(std::string* reason) {
  static const auto* result = new Search(search());
  if (result->found) return &result->library;
  *reason = result->reason;
  return nullptr;
}

}  // namespace swirl::cuda::cublaslt
