// What the per-op tests share: a device, random numbers, arrays in either dtype, comparison with float64.
//
// A test program lists its checks in `run(Device&)` and calls `test_main`. The program runs them once for
// every instruction set the processor has (a child process each, SWIRL_ISA set), so that no variant of a
// kernel goes untested.
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
#include <random>
#include <string>
#include <vector>

#include "native/cpu/bfloat16.h"
#include "native/cpu/isa.h"
#include "native/kernels/kernels.h"

namespace check {

inline int& failures() {
  static int count = 0;
  return count;
}

inline void fail(const std::string& what) {
  if (++failures() <= 20) std::fprintf(stderr, "FAIL [%s] %s\n", swirl::isa_name(swirl::isa()), what.c_str());
}

inline void expect(bool condition, const std::string& what) {
  if (!condition) fail(what);
}

struct Device {
  const swirl_kernels* k = swirl_cpu_kernels();
  swirl_device* d = nullptr;
  explicit Device(int threads) {
    if (k->open(0, threads, &d) != SWIRL_OK) {
      std::fprintf(stderr, "open: %s\n", k->last_error(nullptr));
      std::exit(2);
    }
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { k->close(d); }
  void ok(swirl_status status, const char* op) const {
    if (status != SWIRL_OK) fail(std::string(op) + ": " + k->last_error(d));
  }
};

using Rng = std::mt19937_64;
inline double uniform(Rng& rng, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(rng);
}
inline int integer(Rng& rng, int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng); }

using Reference = std::vector<double>;

// Storage of a dtype, with a float64 view of exactly what is stored.
class Array {
 public:
  Array(swirl_dtype dtype, size_t count, double fill = 0) : dtype_(dtype), count_(count) {
    bytes_.resize(count * width() + 64);
    const size_t at = reinterpret_cast<uintptr_t>(bytes_.data()) % 64;
    offset_ = at == 0 ? 0 : 64 - at;
    for (size_t i = 0; i < count; ++i) set(i, fill);
  }
  Array(const Array& other) : Array(other.dtype_, other.count_) {
    std::memcpy(data(), other.data(), bytes());
  }
  Array& operator=(const Array&) = delete;

  static Array random(Rng& rng, swirl_dtype dtype, size_t count, double scale = 1) {
    Array out(dtype, count);
    for (size_t i = 0; i < count; ++i) out.set(i, uniform(rng, -scale, scale));
    return out;
  }
  static Array of(swirl_dtype dtype, const Reference& values) {
    Array out(dtype, values.size());
    for (size_t i = 0; i < values.size(); ++i) out.set(i, values[i]);
    return out;
  }

  void* data() { return bytes_.data() + offset_; }
  const void* data() const { return bytes_.data() + offset_; }
  float* f() { return static_cast<float*>(data()); }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * width(); }
  swirl_dtype dtype() const { return dtype_; }
  double operator[](size_t i) const {
    if (dtype_ == SWIRL_FLOAT32) return static_cast<const float*>(data())[i];
    return swirl::to_float(static_cast<const swirl::bfloat16*>(data())[i]);
  }
  void set(size_t i, double x) {
    if (dtype_ == SWIRL_FLOAT32) {
      static_cast<float*>(data())[i] = static_cast<float>(x);
    } else {
      static_cast<swirl::bfloat16*>(data())[i] = swirl::to_bfloat16(static_cast<float>(x));
    }
  }
  Reference values() const {
    Reference out(count_);
    for (size_t i = 0; i < count_; ++i) out[i] = (*this)[i];
    return out;
  }
  bool same_bits(const Array& other) const { return std::memcmp(data(), other.data(), bytes()) == 0; }
  const char* row(size_t first) const { return static_cast<const char*>(data()) + first * width(); }
  size_t width() const { return dtype_ == SWIRL_FLOAT32 ? 4 : 2; }

 private:
  swirl_dtype dtype_;
  size_t count_;
  std::vector<char> bytes_;
  size_t offset_ = 0;
};

// Rounding of one stored value, relative.
inline double epsilon(swirl_dtype dtype) { return dtype == SWIRL_FLOAT32 ? 6e-8 : 4e-3; }

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

// Runs `run` in a child process per instruction set and thread count. Returns the exit status.
inline int test_main(const char* op, void (*run)(Device&)) {
  int bad = 0;
  for (const char* level : {"plain", "avx2", "avx512", "avx512_bf16", "amx_bf16"}) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      setenv("SWIRL_ISA", level, 1);
      if (std::strcmp(swirl::isa_name(swirl::isa()), level) != 0) _exit(77);  // not on this processor
      for (const int threads : {1, 3}) {
        Device device(threads);
        run(device);
      }
      std::fflush(nullptr);
      _exit(failures() > 0 ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    const bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == 77;
    const bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    std::printf("%s on %s: %s\n", op, level, skipped ? "not on this processor" : passed ? "ok" : "FAILED");
    if (!skipped && !passed) ++bad;
  }
  return bad > 0 ? 1 : 0;
}

}  // namespace check

#endif  // SWIRL_TESTS_CHECK_H_
