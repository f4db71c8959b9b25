// The device a per-op test runs on, and the count of what failed there.
//
// SWIRL_TEST_DEVICE names it: cpu (the default), cuda, cuda:1. A CUDA device comes from the module beside the
// test program, or from SWIRL_CUDA_MODULE: the emulation is such a module.
#ifndef SWIRL_TESTS_DEVICE_H_
#define SWIRL_TESTS_DEVICE_H_

#include <cstdio>
#include <cstdlib>
#include <string>

#include "native/cpu/isa.h"
#include "native/kernels/kernels.h"
#include "native/kernels/registry.h"

namespace check {

inline std::string device_name() {
  const char* wish = std::getenv("SWIRL_TEST_DEVICE");
  return wish != nullptr && *wish != 0 ? wish : "cpu";
}
inline bool on_cpu() { return device_name() == "cpu"; }

// Whether the device is the emulated GPU (check.h finds out).
inline bool& emulated() {
  static bool is = false;
  return is;
}

// Whether the emulated GPU's race detector watches (SWIRL_TEST_SHAPES=few): it sees in one call all that it would see in
// a second.
inline bool once() {
  const char* shapes = std::getenv("SWIRL_TEST_SHAPES");
  return shapes != nullptr && std::string(shapes) == "few";
}

// Whether one shape per path through the kernels is enough: there, and in the third run on the emulated GPU, in random
// order.
inline bool few_shapes() {
  const char* order = std::getenv("SWIRL_EMULATOR_ORDER");
  return once() || (order != nullptr && std::string(order).rfind("random", 0) == 0);
}

// Who is being tested, for messages.
inline std::string subject() {
  if (on_cpu()) return swirl::isa_name(swirl::isa());
  const char* order = std::getenv("SWIRL_EMULATOR_ORDER");
  const char* shared = std::getenv("SWIRL_EMULATOR_SHARED");
  return device_name() + (order != nullptr ? std::string(" ") + order : "") +
         (shared != nullptr ? std::string(", ") + shared + " KiB" : "");
}

inline int& failures() {
  static int count = 0;
  return count;
}
inline void fail(const std::string& what) {
  if (++failures() <= 20) std::fprintf(stderr, "FAIL [%s] %s\n", subject().c_str(), what.c_str());
}
inline void expect(bool condition, const std::string& what) {
  if (!condition) fail(what);
}

// An opened device. The newest one that is open is where Arrays live.
struct Device {
  const swirl_kernels* k = nullptr;
  swirl_device* d = nullptr;

  // threads: of the CPU.
  explicit Device(int threads) : before_(current()) {
    const std::string name = device_name();
    const size_t colon = name.find(':');
    std::string reason;
    k = swirl::find_kernels(name.substr(0, colon), &reason);
    if (k == nullptr) give_up(reason);
    const int ordinal = colon == std::string::npos ? 0 : std::atoi(name.c_str() + colon + 1);
    if (k->open(ordinal, threads, &d) != SWIRL_OK) give_up(k->last_error(nullptr));
    current() = this;
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() {
    k->close(d);
    current() = before_;
  }
  void ok(swirl_status status, const char* op) const {
    if (status != SWIRL_OK) fail(std::string(op) + ": " + k->last_error(d));
  }
  static const Device*& current() {
    static const Device* device = nullptr;
    return device;
  }

 private:
  const Device* before_;
  [[noreturn]] static void give_up(const std::string& reason) {
    std::fprintf(stderr, "%s: %s\n", device_name().c_str(), reason.c_str());
    std::exit(2);
  }
};

}  // namespace check

#endif  // SWIRL_TESTS_DEVICE_H_
