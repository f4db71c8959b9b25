// AdamW against torch's formula in float64 over ten steps; the sum of squares.
#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

void steps(Device& device, Rng& rng, size_t count, swirl_dtype dtype) {
  const double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0.1, factor = 0.7;
  Array weight = Array::random(rng, SWIRL_FLOAT32, count), m(SWIRL_FLOAT32, count), v(SWIRL_FLOAT32, count);
  Array compute(dtype, count);
  Reference w = weight.values(), mean(count, 0), square(count, 0);
  for (int step = 1; step <= 10; ++step) {
    Array gradient = Array::random(rng, SWIRL_FLOAT32, count, 0.1);
    const swirl_adamw o = {
        lr, beta1, beta2, eps, decay, 1 - std::pow(beta1, step), 1 - std::pow(beta2, step), factor};
    device.ok(
        device.k->adamw(device.d, count, &o, weight.f(), gradient.f(), m.f(), v.f(), compute.data(), dtype),
        "adamw");
    for (size_t i = 0; i < count; ++i) {
      const double g = gradient[i] * factor;
      w[i] *= 1 - lr * decay;
      mean[i] = beta1 * mean[i] + (1 - beta1) * g;
      square[i] = beta2 * square[i] + (1 - beta2) * g * g;
      w[i] -=
          lr / o.bias_correction1 * mean[i] / (std::sqrt(square[i]) / std::sqrt(o.bias_correction2) + eps);
    }
  }
  check::close(weight, w, 1e-6, "adamw weight");
  check::close(m, mean, 1e-6, "adamw m");
  check::close(v, square, 1e-6, "adamw v");
  check::close(compute, weight.values(), dtype == SWIRL_FLOAT32 ? 0 : 4e-3, "adamw compute copy");
  const swirl_adamw o = {lr, beta1, beta2, eps, decay, 0.1, 0.001, 1};
  Array gradient(SWIRL_FLOAT32, count, 1), alone(weight), m2(m), v2(v);
  device.ok(device.k->adamw(device.d, count, &o, weight.f(), gradient.f(), m.f(), v.f(), nullptr, dtype),
            "adamw");
  device.ok(
      device.k->adamw(device.d, count, &o, alone.f(), gradient.f(), m2.f(), v2.f(), alone.f(), SWIRL_FLOAT32),
      "adamw");
  check::expect(weight.same_bits(alone),
                "adamw: without a copy, or with the weight as its own copy, the same bits");
}

// The elements from `first` on, updated alone: at other addresses, the same bits.
void part(Device& device, Rng& rng, size_t count, size_t first) {
  const swirl_adamw o = {1e-3, 0.9, 0.999, 1e-8, 0.1, 0.1, 0.001, 0.7};
  const Array gradient = Array::random(rng, SWIRL_FLOAT32, count);
  Array weight = Array::random(rng, SWIRL_FLOAT32, count), m = Array::random(rng, SWIRL_FLOAT32, count);
  Array v(SWIRL_FLOAT32, count, 0.5), copy(SWIRL_BFLOAT16, count);
  Array weight2(weight), m2(m), v2(v), copy2(copy);
  device.ok(device.k->adamw(device.d, count, &o, weight.f(), gradient.f(), m.f(), v.f(), copy.data(),
                            SWIRL_BFLOAT16),
            "adamw");
  const auto update = [&](size_t begin, size_t end) {
    device.ok(
        device.k->adamw(device.d, end - begin, &o, weight2.f() + begin, gradient.f() + begin, m2.f() + begin,
                        v2.f() + begin, static_cast<uint16_t*>(copy2.data()) + begin, SWIRL_BFLOAT16),
        "adamw");
  };
  update(0, first);
  update(first, first);
  update(first, count);
  check::expect(weight.same_bits(weight2) && m.same_bits(m2) && v.same_bits(v2) && copy.same_bits(copy2),
                "adamw: in two parts, other bits");
}

// The check finds the first element that the step would break, changes nothing, and agrees with the step.
void check_finds(Device& device, Rng& rng, size_t count) {
  const swirl_adamw o = {1e-3, 0.9, 0.999, 1e-8, 0.1, 0.1, 0.001, 0.7};
  Array weight = Array::random(rng, SWIRL_FLOAT32, count),
        gradient = Array::random(rng, SWIRL_FLOAT32, count);
  Array m = Array::random(rng, SWIRL_FLOAT32, count), v(SWIRL_FLOAT32, count, 0.5);
  const auto found = [&](const swirl_adamw& options) {
    const Array before[] = {weight, gradient, m, v};
    int64_t first = -2;
    device.ok(
        device.k->adamw_check(device.d, count, &options, weight.f(), gradient.f(), m.f(), v.f(), &first),
        "adamw_check");
    check::expect(weight.same_bits(before[0]) && gradient.same_bits(before[1]) && m.same_bits(before[2]) &&
                      v.same_bits(before[3]),
                  "adamw_check: changed something");
    return first;
  };
  check::expect(found(o) == -1, "adamw_check: a good step is refused");
  if (count == 0) return;
  struct Fault {
    Array* array;
    double value;
  };
  const size_t last = count - 1, middle = count / 2;
  for (const Fault fault : {Fault{&weight, NAN},
                            {&weight, 3.397e38},
                            {&gradient, INFINITY},
                            {&gradient, 1e30},
                            {&m, -INFINITY},
                            {&v, INFINITY},
                            {&v, -1.0}}) {
    const double was_last = (*fault.array)[last], was_middle = (*fault.array)[middle];
    fault.array->set(last, fault.value);
    check::expect(found(o) == int64_t(last), "adamw_check: the last element of " + std::to_string(count));
    fault.array->set(middle, fault.value);
    check::expect(found(o) == int64_t(middle), "adamw_check: the first of two of " + std::to_string(count));
    fault.array->set(last, was_last);
    fault.array->set(middle, was_middle);
  }
  weight.set(middle, 3.39e38);  // the largest that bfloat16 holds, and not moved by much
  check::expect(found({1e-30, 0.9, 0.999, 1e-8, 0, 1, 1, 1}) == -1, "adamw_check: a large weight is refused");
  check::expect(found({1e38, 0.9, 0.999, 1e-8, 0, 0.1, 0.001, 1}) == 0, "adamw_check: a step past float32");
}

void squares(Device& device, Rng& rng, size_t count) {
  Array x = Array::random(rng, SWIRL_FLOAT32, count);
  double want = 0, got = 0, again = 0;
  for (size_t i = 0; i < count; ++i) want += x[i] * x[i];
  device.ok(device.k->sum_of_squares(device.d, count, x.f(), &got), "sum_of_squares");
  device.ok(device.k->sum_of_squares(device.d, count, x.f(), &again), "sum_of_squares");
  check::expect(std::fabs(got - want) <= 1e-12 * want && got == again,
                "sum_of_squares of " + std::to_string(count));
  Device other(device.d == nullptr ? 1 : 2);
  other.ok(other.k->sum_of_squares(other.d, count, x.f(), &again), "sum_of_squares");
  check::expect(got == again, "sum_of_squares: the threads change the bits");
  if (count == 0) return;
  Array shifted(SWIRL_FLOAT32, count + 1);
  for (size_t i = 0; i < count; ++i) shifted.set(i + 1, x[i]);
  device.ok(device.k->sum_of_squares(device.d, count, shifted.f() + 1, &again), "sum_of_squares");
  check::expect(got == again, "sum_of_squares: the address changes the bits");
  for (const double broken : {double(NAN), double(INFINITY)}) {
    x.set(count / 2, broken);
    device.ok(device.k->sum_of_squares(device.d, count, x.f(), &got), "sum_of_squares");
    check::expect(!std::isfinite(got), "sum_of_squares: must not be finite");
  }
}

void run(Device& device) {
  Rng rng(31);
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16})
    for (const size_t count : {size_t(1), size_t(37), size_t(70001)}) steps(device, rng, count, dtype);
  for (const size_t first : {size_t(1), size_t(8), size_t(13)}) part(device, rng, 101, first);
  for (const size_t count : {size_t(0), size_t(1), size_t(1001), size_t(200003)}) squares(device, rng, count);
  for (const size_t count : {size_t(0), size_t(1), size_t(37), size_t(200003)})
    check_finds(device, rng, count);
}

}  // namespace

int main() { return check::test_main("adamw", run); }
