// What the per-op tests share: comparison with float64, finite differences, and the run on every device.
//
// A test program lists its checks in `run(Device&)` and calls `test_main`. On the CPU the program runs them
// once for every instruction set the processor has (a child process each, SWIRL_ISA set) and for one and three
// threads; on a CUDA device once; on the emulated one with its blocks and threads run forward and in reverse.
// SWIRL_TEST_VARIANT names one of these to run alone, in this process: what watches a program from inside it
// (compute-sanitizer) need not follow a fork.
//
// To write a check that runs on all of them: keep floats in an Array, integers in Ints and trees in a
// TreeOnDevice (array.h), give kernels their data(), f() or row(), and read results by index. Only arguments
// that kernels.h names `host_` are the host's.
#ifndef SWIRL_TESTS_CHECK_H_
#define SWIRL_TESTS_CHECK_H_

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "array.h"
#include "device.h"

namespace check {

// |got - want| <= tolerance · (|want| + scale), where scale is the root mean square of want, at least
// `floor`: the size of the terms where they may cancel.
inline void close(const Array& got, const Reference& want, double tolerance, const std::string& what,
                  double floor = 1e-30) {
  double square = 0;
  for (const double x : want) square += x * x;
  const double scale = std::max(floor, std::sqrt(square / std::max<size_t>(1, want.size())));
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double error = std::fabs(got[i] - want[i]) / (std::fabs(want[i]) + scale);
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
  }
  if (!(worst <= tolerance)) {
    char text[256];
    std::snprintf(text, sizeof text, "%s: element %zu is %.9g, should be %.9g (relative %.3g > %.3g)",
                  what.c_str(), at, got[at], want[at], worst, tolerance);
    fail(text);
  }
}

// Float64 finite differences: gradient[i] must equal d loss / d x[i] at every `stride`-th i.
inline void finite_differences(Reference x, const std::function<double(const Reference&)>& loss,
                               const Array& gradient, size_t stride, double tolerance,
                               const std::string& what, double floor = 1e-6) {
  double scale = floor;
  for (size_t i = 0; i < x.size(); ++i) scale = std::max(scale, std::fabs(gradient[i]));
  for (size_t i = 0; i < x.size(); i += stride) {
    const double keep = x[i], h = 1e-5 * std::max(1.0, std::fabs(keep));
    x[i] = keep + h;
    const double up = loss(x);
    x[i] = keep - h;
    const double down = loss(x);
    x[i] = keep;
    const double want = (up - down) / (2 * h);
    if (!(std::fabs(gradient[i] - want) <= tolerance * scale)) {
      char text[256];
      std::snprintf(text, sizeof text, "%s: gradient %zu is %.8g, finite difference %.8g", what.c_str(), i,
                    gradient[i], want);
      fail(text);
      return;
    }
  }
}

inline const char* name(swirl_dtype dtype) { return dtype == SWIRL_FLOAT32 ? "float32" : "bfloat16"; }

namespace detail {

constexpr int kSkipped = 77;

// variant: an instruction set, or the order of the emulation. Returns the exit status.
inline int run_variant(const char* variant, void (*run)(Device&)) {
  if (on_cpu()) {
    setenv("SWIRL_ISA", variant, 1);
    if (std::strcmp(swirl::isa_name(swirl::isa()), variant) != 0) return kSkipped;
    for (const int threads : {1, 3}) {
      Device device(threads);
      run(device);
    }
  } else {
    setenv("SWIRL_EMULATOR_ORDER", variant, 1);
    // A GPU of each size: 227 KiB of shared memory for a block, 99, 163.
    const std::string order = variant;
    setenv("SWIRL_EMULATOR_SHARED", order == "forward" ? "227" : order == "reverse" ? "99" : "163", 0);
    Device device(0);
    swirl_device_info info;
    device.ok(device.k->describe(device.d, &info), "describe");
    emulated() =
        std::strcmp(info.isa, "emulated") == 0 || std::strstr(info.description, "stand-in") != nullptr;
    if (!emulated()) {
      if (order != "forward") return kSkipped;
      unsetenv("SWIRL_EMULATOR_ORDER");
      unsetenv("SWIRL_EMULATOR_SHARED");
    }
    run(device);
  }
  std::fflush(nullptr);
  return failures() > 0 ? 1 : 0;
}

}  // namespace detail

// Runs `run` in a child process per variant of the device. Returns the exit status.
inline int test_main(const char* op, void (*run)(Device&)) {
  if (const char* only = std::getenv("SWIRL_TEST_VARIANT")) return detail::run_variant(only, run);
  const std::vector<const char*> variants =
      on_cpu() ? std::vector<const char*>{"plain", "avx2", "avx512", "avx512_bf16", "amx_bf16"}
               : std::vector<const char*>{"forward", "reverse", "random"};
  int bad = 0;
  for (const char* variant : variants) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) _exit(detail::run_variant(variant, run));
    int status = 0;
    waitpid(child, &status, 0);
    const bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == detail::kSkipped;
    const bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    std::printf("%s on %s%s: %s\n", op, on_cpu() ? "" : (device_name() + " ").c_str(), variant,
                skipped  ? "not on this device"
                : passed ? "ok"
                         : "FAILED");
    if (!skipped && !passed) ++bad;
  }
  return bad > 0 ? 1 : 0;
}

}  // namespace check

#endif  // SWIRL_TESTS_CHECK_H_
