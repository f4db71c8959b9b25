// The backend's host code (device.cu, memory.cu, gemm.cu, cublaslt.cu) on a stand-in for CUDA: where it finds
// cuBLASLt, and what happens when a call fails.
//
// A scenario opens an engine, writes its weights, makes one update, samples, and closes. It is run once for every call
// of the CUDA runtime that it makes, with that call failing: the result is a typed error, nothing crashes, and nothing
// is left allocated.
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "cuda/standin/runtime.h"
#include "native/engine/engine.h"
#include "native/engine/error.h"
#include "native/kernels/registry.h"

namespace {

using namespace swirl;

int failures = 0;
void expect(bool condition, const std::string& what) {
  if (condition) return;
  if (++failures <= 20) std::fprintf(stderr, "FAIL %s\n", what.c_str());
}

// Functions of the stand-ins, found in the files that the module has loaded.
template <class Function>
Function* found(const char* file, const char* name) {
  void* library = dlopen(std::getenv(file), RTLD_NOW | RTLD_LOCAL);
  auto* function = library != nullptr ? reinterpret_cast<Function*>(dlsym(library, name)) : nullptr;
  if (function == nullptr) {
    std::fprintf(stderr, "standin_test: %s names no stand-in: %s\n", file, dlerror());
    std::exit(2);
  }
  return function;
}
#define RUNTIME(name) found<decltype(name)>("SWIRL_CUDA_MODULE", #name)

swirl_standin_counts counts() {
  swirl_standin_counts out = {};
  RUNTIME(swirl_standin_read)(&out);
  return out;
}
void fail_at(int64_t number, int error) { RUNTIME(swirl_standin_fail)(number, error); }
std::string failed_call() {
  const char* name = RUNTIME(swirl_standin_failed)();
  return name != nullptr ? name : "";
}
int64_t library_objects() { return found<int64_t()>("SWIRL_CUBLASLT", "swirl_standin_cublaslt_objects")(); }

constexpr int kMemory = 2, kInvalidValue = 1, kIllegalAddress = 700;

EngineOptions options(const std::string& device = "cuda:0") {
  EngineOptions o;
  ModelConfig& c = o.config;
  c.layers = 1, c.width = 16, c.heads = 2, c.kv_heads = 1, c.head_dim = 8, c.intermediate = 24, c.vocab = 40;
  c.max_positions = 64;
  c.attention_scale = 0.35f;
  c.sliding_layers = {false};
  c.rope_inverse_frequencies = c.rope_inverse_frequencies_sliding = {1, 0.1, 0.01, 0.001};
  o.device = device;
  o.dtype = SWIRL_BFLOAT16;
  o.threads = 1;
  o.memory_budget = uint64_t(64) << 20;
  return o;
}

void write_weights(Engine& engine) {
  uint32_t state = 1;
  for (const ParameterInfo& info : engine.parameters()) {
    int64_t count = 1;
    for (const int64_t n : info.shape) count *= n;
    std::vector<float> values(static_cast<size_t>(count));
    for (float& x : values)
      x = static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / 16777216.0f - 0.5f;
    engine.write_tensor(info.name, TensorKind::kWeight, SWIRL_FLOAT32,
                        reinterpret_cast<const uint8_t*>(values.data()), values.size() * 4);
  }
}

void update(Engine& engine) {
  std::vector<TrainSequence> batch(2);
  batch[0].tokens = {1, 2, 3, 4, 5};
  batch[1].tokens = {1, 2, 3, 7, 8, 9};
  for (TrainSequence& s : batch) s.action_start = 3;
  engine.update(batch, {}, {}, {});
}

std::vector<std::vector<Completion>> sample(Engine& engine) {
  Prompt prompt;
  prompt.tokens = {1, 2, 3};
  prompt.max_new_tokens = 2;
  GenerateOptions generate;
  generate.n = 2;
  return engine.generate({prompt}, generate, {}, nullptr);
}

// The code of the scenario's error, empty when it has none. `lost`: whether the device was lost; then a later call
// says so without calling the GPU.
std::string scenario(std::string* message, bool stop_after_open = false) {
  std::unique_ptr<Engine> engine;
  try {
    engine = std::make_unique<Engine>(options());
    write_weights(*engine);
    update(*engine);
    if (!stop_after_open) sample(*engine);
    return "";
  } catch (const Error& error) {
    *message = error.what();
    if (error.code == "DEVICE_LOST" && engine != nullptr) {
      const int64_t before = counts().calls;
      try {
        sample(*engine);
        expect(false, "a lost device must not sample");
      } catch (const Error& later) {
        expect(later.code == "DEVICE_LOST", "after the loss: " + later.code + " " + later.what());
        expect(std::string(later.what()).find("is lost") != std::string::npos, later.what());
      }
      expect(counts().calls == before, "a lost device must not be called again");
    }
    return error.code;
  }
}

void each_call_fails() {
  fail_at(-1, 0);
  std::string message;
  const int64_t before = counts().calls;
  expect(scenario(&message).empty(), "the scenario must run: " + message);
  const int64_t calls = counts().calls - before;
  // A failure of the two calls that release an object only leaks that object.
  const std::set<std::string> ends = {"cudaFree", "cudaStreamDestroy", "cudaEventDestroy", "cudaFreeHost"};
  std::set<std::string> names;
  for (int64_t i = 0; i < calls; ++i) {
    for (const int error : {kMemory, kInvalidValue, kIllegalAddress}) {
      // Fails every call once, with one of the errors in turn; the first call of each name with each of them.
      if (i % 3 != error % 3 && names.count(failed_call()) > 0) continue;
      fail_at(i, error);
      const std::string code = scenario(&message);
      const std::string name = failed_call();
      names.insert(name);
      const std::string what = "call " + std::to_string(i) + ", " + name + ", error " + std::to_string(error);
      const swirl_standin_counts left = counts();
      if (error == kIllegalAddress) {
        // Detected by the call itself, or, if its result is not used, by the next.
        expect(code == "DEVICE_LOST" || code == "DEVICE" || ends.count(name) > 0 || name == "cudaSetDevice" ||
                   name == "cudaStreamSynchronize",
               what + ": " + code + " " + message);
      } else {
        if (code.empty())
          expect(ends.count(name) > 0 || name == "cudaSetDevice" || name == "cudaStreamSynchronize" ||
                     name == "cudaGetDeviceProperties",
                 what + " went unnoticed");
        else
          expect(code == "MEMORY" || code == "DEVICE" || code == "INTERNAL",
                 what + ": " + code + " " + message);
        if (error == kMemory && !code.empty() && code != "DEVICE")
          expect(code == "MEMORY", what + " is not reported as out of memory: " + code + " " + message);
        const int64_t held = left.memory + left.pinned + left.streams + left.events;
        expect(held <= (ends.count(name) > 0 || name == "cudaSetDevice" ? 1 : 0),
               what + ": " + std::to_string(held) + " things are left allocated");
        if (held > 0) fail_at(0, kIllegalAddress), scenario(&message);  // clears the stand-in
      }
      expect(library_objects() == 0,
             what + ": " + std::to_string(library_objects()) + " of cuBLASLt's are left");
    }
  }
  fail_at(-1, 0);
  expect(scenario(&message).empty(), "after all the failures: " + message);
  std::printf("standin: %lld calls, each failed once\n", static_cast<long long>(calls));
}

void lost() {
  fail_at(-1, 0);
  Engine other(options("cuda:1")), cpu(options("cpu"));
  write_weights(other), write_weights(cpu);
  const auto before = sample(other);
  {
    Engine engine(options());
    write_weights(engine);
    fail_at(40, kIllegalAddress);
    try {
      update(engine);
      expect(false, "an illegal address must fail the update");
    } catch (const Error& error) {
      expect(error.code == "DEVICE_LOST" &&
                 std::string(error.what()).find("illegal memory access") != std::string::npos,
             error.code + " " + error.what());
    }
    try {
      Engine again(options());
      expect(false, "a lost GPU must not open");
    } catch (const Error& error) {
      expect(error.code == "DEVICE_LOST", "opening a lost GPU: " + error.code + " " + error.what());
    }
    update(cpu);
    update(other);
    write_weights(other);
    expect(sample(other)[0][0].tokens == before[0][0].tokens, "the other GPU's engine keeps working");
  }
  fail_at(-1, 0);
}

void no_describe_in_estimate() {
  Engine engine(options());
  const swirl_standin_counts before = counts();
  const Estimate first = engine.estimate(100, 50);
  const swirl_standin_counts after = counts();
  expect(first.bytes > 0 && before.calls == after.calls, "estimate() must not ask the GPU");
}

// Each thread reads the reason of its own failed open.
void reason_of_each_thread() {
  std::string reason;
  const swirl_kernels* kernels = find_kernels("cuda", &reason);
  swirl_device* device = nullptr;
  kernels->open(7, 0, &device);
  std::thread([&] {
    swirl_device* own = nullptr;
    kernels->open(9, 0, &own);
    expect(std::string(kernels->last_error(nullptr)).find("cuda:9") == 0, "of the other thread");
  }).join();
  expect(std::string(kernels->last_error(nullptr)).find("cuda:7") == 0,
         std::string("another thread's reason: ") + kernels->last_error(nullptr));
}

// --- the search for cuBLASLt, each in its own process --------------------------------------------------------

bool in_child(const char* what, void (*body)()) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    body();
    std::fflush(nullptr);
    _exit(failures > 0 ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  expect(good, what);
  return good;
}

std::string folder() {
  char text[] = "/tmp/swirl-standin-XXXXXX";
  return mkdtemp(text);
}
void make_folders(const std::string& path) {
  for (size_t at = 1; (at = path.find('/', at)) != std::string::npos; ++at)
    mkdir(path.substr(0, at).c_str(), 0777);
}
void put_library(const std::string& at) {
  make_folders(at);
  const std::string copy = std::string("cp ") + std::getenv("SWIRL_CUBLASLT") + " " + at;
  expect(std::system(copy.c_str()) == 0, copy);
}
void clean_environment(const std::string& root) {
  for (const char* name : {"SWIRL_CUBLASLT", "CUDA_HOME", "CUDA_PATH", "VIRTUAL_ENV", "CONDA_PREFIX",
                           "LD_LIBRARY_PATH", "SWIRL_STANDIN_CUBLASLT"})
    unsetenv(name);
  setenv("HOME", root.c_str(), 1);
  setenv("PATH", "/nowhere", 1);
}
std::string opened_with() {
  std::string reason;
  const swirl_kernels* kernels = find_kernels("cuda", &reason);
  swirl_device* device = nullptr;
  if (kernels->open(0, 0, &device) != SWIRL_OK) return kernels->last_error(nullptr);
  swirl_device_info info;
  kernels->describe(device, &info);
  kernels->close(device);
  return info.matrix_library;
}

void finds_pip_packages() {
  const std::string root = folder();
  put_library(root + "/venv/lib/python3.11/site-packages/nvidia/cu13/lib/libcublasLt.so.13");
  clean_environment(root);
  expect(opened_with().find("no cuBLASLt is usable") == 0, "there is none yet: " + opened_with());
  setenv("VIRTUAL_ENV", (root + "/venv").c_str(), 1);
  expect(opened_with() == "cuBLASLt 13.1", opened_with());
}
void finds_it_beside_the_python_of_the_path() {
  const std::string root = folder();
  put_library(root + "/py/lib/python3.12/site-packages/nvidia/cublas/lib/libcublasLt.so.12");
  clean_environment(root);
  make_folders(root + "/py/bin/");
  std::fclose(std::fopen((root + "/py/bin/python3").c_str(), "w"));
  setenv("PATH", ("/nowhere:" + root + "/py/bin").c_str(), 1);
  expect(opened_with() == "cuBLASLt 13.1", opened_with());
}
// cuBLASLt 13 does not start with a driver of CUDA 12.
void falls_back_to_an_older_one() {
  const std::string root = folder();
  for (const char* file : {"/lib64/libcublasLt.so.13", "/lib64/libcublasLt.so.12"}) put_library(root + file);
  clean_environment(root);
  setenv("CUDA_HOME", root.c_str(), 1);
  setenv("SWIRL_STANDIN_CUBLASLT", "create:libcublasLt.so.13", 1);
  expect(opened_with() == "cuBLASLt 13.1", opened_with());
  setenv("SWIRL_STANDIN_CUBLASLT", "create", 1);
  expect(opened_with().find("cublasLtCreate failed with status 1") != std::string::npos, opened_with());
}

}  // namespace

int main() {
  in_child("cuBLASLt from pip", finds_pip_packages);
  in_child("cuBLASLt beside the PATH's python3", finds_it_beside_the_python_of_the_path);
  in_child("cuBLASLt 12 where 13 does not start", falls_back_to_an_older_one);
  no_describe_in_estimate();
  reason_of_each_thread();
  lost();
  each_call_fails();
  std::printf("standin: %s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
