// Gated activations against float64 and finite differences, extremes included; in place.
#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

double activate(swirl_activation kind, double x) {
  if (kind == SWIRL_SILU) return x / (1 + std::exp(-x));
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

Reference forward(swirl_activation kind, const Reference& gate_up, int rows, int width) {
  Reference out;
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < width; ++i)
      out.push_back(activate(kind, gate_up[size_t(r) * 2 * width + i]) *
                    gate_up[size_t(r) * 2 * width + width + i]);
  return out;
}

void one(Device& device, Rng& rng, swirl_activation kind, swirl_dtype dtype, int rows, int width) {
  const std::string what =
      std::string("gated ") + (kind == SWIRL_SILU ? "silu " : "gelu_tanh ") + check::name(dtype);
  const Array x = Array::random(rng, dtype, size_t(rows) * 2 * width, 4),
              g = Array::random(rng, dtype, size_t(rows) * width);
  Array out(dtype, size_t(rows) * width);
  device.ok(device.k->gated_forward(device.d, kind, rows, width, x.data(), out.data(), dtype),
            "gated_forward");
  const Reference want = forward(kind, x.values(), rows, width);
  check::close(out, want, dtype == SWIRL_FLOAT32 ? 1e-6 : 4e-3, what);
  Array dx(dtype, x.size());
  device.ok(device.k->gated_backward(device.d, kind, rows, width, x.data(), g.data(), dx.data(), dtype),
            "gated_backward");
  const Reference weights = g.values();
  check::finite_differences(
      x.values(),
      [&](const Reference& at) {
        const Reference y = forward(kind, at, rows, width);
        double total = 0;
        for (size_t i = 0; i < y.size(); ++i) total += y[i] * weights[i];
        return total;
      },
      dx, 1 + x.size() / 97, dtype == SWIRL_FLOAT32 ? 1e-6 : 4e-3, what + " gradient");
  Array in_place(x);
  device.ok(device.k->gated_backward(device.d, kind, rows, width, in_place.data(), g.data(), in_place.data(),
                                     dtype),
            "gated_backward");
  check::expect(in_place.same_bits(dx), what + ": in place differs");
  const int row = rows / 2;
  Array alone(dtype, size_t(width)), dalone(dtype, size_t(2 * width));
  device.ok(
      device.k->gated_forward(device.d, kind, 1, width, x.row(size_t(row) * 2 * width), alone.data(), dtype),
      "gated_forward");
  device.ok(device.k->gated_backward(device.d, kind, 1, width, x.row(size_t(row) * 2 * width),
                                     g.row(size_t(row) * width), dalone.data(), dtype),
            "gated_backward");
  check::expect(alone.same_bits(out, size_t(row) * width) && dalone.same_bits(dx, size_t(row) * 2 * width),
                what + ": a row alone differs");
}

void extremes(Device& device, swirl_activation kind) {
  const double inputs[] = {-1e30, -200, -88, -50, -1e-20, 0, 1e-20, 50, 88, 200, 1e18};
  const int width = int(std::size(inputs));
  Array x(SWIRL_FLOAT32, size_t(2 * width), 1), g(SWIRL_FLOAT32, size_t(width), 1),
      y(SWIRL_FLOAT32, size_t(width));
  Array dx(SWIRL_FLOAT32, size_t(2 * width));
  for (int i = 0; i < width; ++i) x.set(size_t(i), inputs[i]);
  device.ok(device.k->gated_forward(device.d, kind, 1, width, x.data(), y.data(), SWIRL_FLOAT32),
            "gated_forward");
  device.ok(device.k->gated_backward(device.d, kind, 1, width, x.data(), g.data(), dx.data(), SWIRL_FLOAT32),
            "gated_backward");
  for (int i = 0; i < width; ++i) {
    const double want = activate(kind, x[size_t(i)]);
    check::expect(std::fabs(y[size_t(i)] - want) <= 1e-6 * std::fabs(want) + 1e-12,
                  "gated: " + std::to_string(inputs[i]) + " gives " + std::to_string(y[size_t(i)]));
    const double slope = inputs[i] > 40 ? 1 : inputs[i] < -40 ? 0 : 0.5;
    check::expect(std::fabs(dx[size_t(i)] - slope) < 1e-6,
                  "gated: slope at " + std::to_string(inputs[i]) + " is " + std::to_string(dx[size_t(i)]));
  }
}

void run(Device& device) {
  Rng rng(9);
  for (const swirl_activation kind : {SWIRL_SILU, SWIRL_GELU_TANH}) {
    for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
      one(device, rng, kind, dtype, 1, 1);
      one(device, rng, kind, dtype, 9, 37);
      one(device, rng, kind, dtype, 33, 64);
      one(device, rng, kind, dtype, 5, 2310);
      one(device, rng, kind, dtype, 700, 8);
    }
    extremes(device, kind);
  }
}

}  // namespace

int main() { return check::test_main("gated", run); }
