#include <dlfcn.h>
#include <glob.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <vector>

#include "cuda/cublaslt.h"

namespace swirl::cuda::cublaslt {
namespace {

constexpr const char* kVersions[] = {"13", "12", "11"};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Folders of the toolkit and of the environment's pip packages, as patterns: nvidia/cu13/lib since CUDA 13,
// nvidia/cublas/lib before.
std::vector<std::string> patterns() {
  std::vector<std::string> out, prefixes;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (const std::string root = variable(name); !root.empty()) out.push_back(root + "/lib64/");
  out.push_back("/usr/local/cuda/lib64/");
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string root = variable(name); !root.empty()) prefixes.push_back(root);
  if (const std::string root = variable("CONDA_PREFIX"); !root.empty()) out.push_back(root + "/lib/");
  std::stringstream path(variable("PATH"));
  for (std::string folder; std::getline(path, folder, ':');)
    if (!folder.empty() && access((folder + "/python3").c_str(), F_OK) == 0)
      prefixes.push_back(folder + "/..");
  if (const std::string home = variable("HOME"); !home.empty()) prefixes.push_back(home + "/.local");
  for (const std::string& prefix : prefixes)
    for (const char* packages : {"/lib/python3*/site-packages", "/lib/python3*/dist-packages"})
      out.push_back(prefix + packages + "/nvidia/*/lib/");
  return out;
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
         resolve(from, "cublasLtMatmulAlgoCheck", &to->algo_check) &&
         resolve(from, "cublasLtMatmulAlgoConfigGetAttribute", &to->algo_get) &&
         resolve(from, "cublasLtMatmul", &to->matmul);
}

// An opened library, which is never closed: a library that has started a thread must not be unloaded.
struct Opened {
  Library library = {};
  std::string why;  // why it cannot be used; empty if it can
};

Opened& opened(const std::string& file) {
  static auto* all = new std::map<std::string, Opened>;
  const auto [at, fresh] = all->try_emplace(file);
  Opened& one = at->second;
  if (!fresh) return one;
  one.library.file = file;
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    one.why = why != nullptr ? why : file;
  } else if (!resolve_all(handle, &one.library)) {
    one.why = file + ": lacks functions of cuBLASLt";
    dlclose(handle);
  }
  return one;
}

}  // namespace

std::vector<std::string> candidates() {
  if (const std::string chosen = variable("SWIRL_CUBLASLT"); !chosen.empty()) return {chosen};
  std::vector<std::string> files;
  for (const char* version : kVersions) {
    const std::string name = std::string("libcublasLt.so.") + version;
    files.push_back(name);
    for (const std::string& pattern : patterns()) {
      glob_t found = {};
      if (glob((pattern + name).c_str(), 0, nullptr, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; ++i) files.push_back(found.gl_pathv[i]);
      globfree(&found);
    }
  }
  return files;
}

const Library* open_library(const std::function<Status(const Library&)>& starts, std::string* reason) {
  static auto* guard = new std::mutex;
  static const Library* chosen = nullptr;  // the first that started
  const std::lock_guard<std::mutex> held(*guard);
  std::string tried;
  std::vector<std::string> files = candidates();
  if (chosen != nullptr) files = {chosen->file};
  for (const std::string& file : files) {
    const Opened& one = opened(file);
    if (!one.why.empty()) {
      tried += "\n  " + one.why;
      continue;
    }
    const Status status = starts(one.library);
    if (status == kSuccess) return chosen = &one.library;
    tried += "\n  " + file + ": cublasLtCreate failed with status " +
             std::to_string(static_cast<int>(status)) + " (1: it may need a newer driver)";
  }
  std::string folders;
  for (const std::string& pattern : patterns()) folders += " " + pattern;
  *reason = "no cuBLASLt is usable; tried:" + tried;
  if (variable("SWIRL_CUBLASLT").empty()) *reason += "\nlooked also in:" + folders;
  *reason +=
      "\nit comes with the CUDA toolkit (Debian: apt-get install libcublas-13-0) or with `pip install "
      "nvidia-cublas` (driver 580 or later; nvidia-cublas-cu12 for older ones); SWIRL_CUBLASLT=FILE names it";
  return nullptr;
}

}  // namespace swirl::cuda::cublaslt
