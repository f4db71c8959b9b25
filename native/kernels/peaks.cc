#include "peaks.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace swirl {
namespace {

constexpr int32_t kSmallestProduct = 512, kLargestProduct = 8192;
constexpr double kLongEnough = 0.01;            // seconds: start-up no longer matters for a product this long
constexpr size_t kCopyBytes = size_t(1) << 28;  // beyond any cache
constexpr int kRepeats = 3;

// Device memory, freed when this object is destroyed.
class Piece {
 public:
  Piece(const swirl_kernels& k, swirl_device* device, size_t bytes) : k_(k), device_(device) {
    if (k.allocate(device, bytes, &pointer_) != SWIRL_OK) pointer_ = nullptr;
  }
  ~Piece() {
    if (pointer_) k_.release(device_, pointer_);
  }
  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;
  void* get() const { return pointer_; }

 private:
  const swirl_kernels& k_;
  swirl_device* device_;
  void* pointer_ = nullptr;
};

// The shortest of a few runs, in seconds; 0 when one fails.
template <typename Run>
double shortest(const swirl_kernels& k, swirl_device* device, const Run& run) {
  double best = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const auto started = std::chrono::steady_clock::now();
    if (run() != SWIRL_OK || k.synchronize(device) != SWIRL_OK) return 0;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    best = i == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

// Operands that are not all zero: some devices run faster on zeros.
std::vector<float> noise(size_t count) {
  std::vector<float> values(count);
  uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = float(state >> 8) / float(1 << 23) - 1;
  }
  return values;
}

double product_rate(const swirl_kernels& k, swirl_device* device, swirl_dtype dtype) {
  double rate = 0;
  for (int32_t n = kSmallestProduct; n <= kLargestProduct; n *= 2) {
    const size_t count = size_t(n) * n;
    const Piece from(k, device, count * 4), a(k, device, count * 4), b(k, device, count * 4),
        c(k, device, count * 4);
    if (!from.get() || !a.get() || !b.get() || !c.get()) return rate;
    const std::vector<float> values = noise(count);
    if (k.upload(device, from.get(), values.data(), count * 4) != SWIRL_OK) return rate;
    if (k.convert(device, a.get(), dtype, from.get(), SWIRL_FLOAT32, count) != SWIRL_OK) return rate;
    if (k.convert(device, b.get(), dtype, from.get(), SWIRL_FLOAT32, count) != SWIRL_OK) return rate;
    const double seconds = shortest(k, device, [&] {
      return k.gemm(device, 0, 1, n, n, n, dtype, a.get(), n, b.get(), n, 0, c.get(), n, dtype);
    });
    if (seconds <= 0) return rate;
    rate = std::max(rate, 2.0 * n * n * n / seconds);
    if (seconds > kLongEnough) break;
  }
  return rate;
}

double copy_rate(const swirl_kernels& k, swirl_device* device) {
  const Piece from(k, device, kCopyBytes), to(k, device, kCopyBytes);
  if (!from.get() || !to.get()) return 0;
  if (k.zero(device, from.get(), kCopyBytes) != SWIRL_OK) return 0;
  if (k.zero(device, to.get(), kCopyBytes) != SWIRL_OK) return 0;
  const double seconds =
      shortest(k, device, [&] { return k.copy(device, to.get(), from.get(), kCopyBytes); });
  return seconds > 0 ? 2.0 * double(kCopyBytes) / seconds : 0;
}

}  // namespace

double Peaks::floor(double flops, swirl_dtype dtype, double moved_bytes) const {
  const double matrix = dtype == SWIRL_FLOAT32 ? float32.best() : bfloat16.best();
  const double computing = flops > 0 && matrix > 0 ? flops / matrix : 0;
  const double moving = bytes > 0 ? moved_bytes / bytes : 0;
  return std::max(computing, moving);
}

Peaks measure_peaks(const swirl_kernels& k, swirl_device* device) {
  Peaks peaks;
  peaks.float32.product = product_rate(k, device, SWIRL_FLOAT32);
  peaks.bfloat16.product = product_rate(k, device, SWIRL_BFLOAT16);
  peaks.bytes = copy_rate(k, device);
  if (k.register_peak) {
    peaks.float32.registers = k.register_peak(device, SWIRL_FLOAT32);
    peaks.bfloat16.registers = k.register_peak(device, SWIRL_BFLOAT16);
  }
  return peaks;
}

}  // namespace swirl
