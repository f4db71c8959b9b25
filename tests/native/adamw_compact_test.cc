// AdamW on compact state: the bits of the same step computed element by element, stochastic rounding without bias, and
// the moments against float64 over many steps.
#include "check.h"
#include "native/kernels/compact_state.h"

namespace {

using check::Array;
using check::Device;
using check::Mirror;
using check::Reference;
using check::Rng;
using swirl::kMomentBlock;

constexpr swirl_rounding kRounding = {7, 3, 11};

size_t blocks(size_t count) { return (count + kMomentBlock - 1) / kMomentBlock; }

swirl_adamw options(int step, double lr = 1e-3, double decay = 0.1, double factor = 0.7) {
  return {lr, 0.9, 0.999, 1e-8, decay, 1 - std::pow(0.9, step), 1 - std::pow(0.999, step), factor};
}

struct State {
  size_t count;
  Array weight;
  Mirror m, m_scale, v, v_scale;

  explicit State(size_t n) : State(Array(SWIRL_BFLOAT16, n)) {}
  explicit State(const Array& w)
      : count(w.size()), weight(w), m(count), m_scale(blocks(count)), v(count), v_scale(blocks(count)) {}
  State(const State&) = default;

  swirl_compact_moments moments() {
    const auto bytes = [](Mirror& x) { return reinterpret_cast<uint8_t*>(x.device_written()); };
    return {bytes(m), bytes(m_scale), bytes(v), bytes(v_scale)};
  }
  double mean(size_t i) const {
    return swirl::first_moment(byte(m, i), swirl::scale_value(byte(m_scale, i / kMomentBlock)));
  }
  double square(size_t i) const {
    return swirl::second_moment(byte(v, i), swirl::scale_value(byte(v_scale, i / kMomentBlock)));
  }
  bool same_bits(const State& other) const {
    return weight.same_bits(other.weight) && m.read() == other.m.read() && v.read() == other.v.read() &&
           m_scale.read() == other.m_scale.read() && v_scale.read() == other.v_scale.read();
  }
  void step(Device& device, const swirl_adamw& o, const Array& gradient,
            const swirl_rounding& r = kRounding) {
    const swirl_compact_moments s = moments();
    device.ok(device.k->adamw_compact(device.d, count, &o, &r, weight.data(), gradient.f(), &s),
              "adamw_compact");
  }
  static uint8_t byte(const Mirror& x, size_t i) { return static_cast<uint8_t>(x.read()[i]); }
};

bool fuses() { return check::subject() != "plain"; }
float multiply_add(float a, float b, float c) { return fuses() ? std::fma(a, b, c) : a * b + c; }

// The step in float32, one element at a time, in the order that kernels.h and compact_state.h define.
void step_by_element(State& s, const swirl_adamw& o, const Array& gradient, const swirl_rounding& r) {
  std::vector<float> mean(s.count), square(s.count), weight(s.count);
  for (size_t i = 0; i < s.count; ++i) {
    const float g = static_cast<float>(gradient[i]) * float(o.gradient_scale);
    mean[i] = static_cast<float>(s.mean(i));
    square[i] = static_cast<float>(s.square(i));
    mean[i] = multiply_add(g - mean[i], float(1 - o.beta1), mean[i]);
    square[i] = multiply_add(square[i], float(o.beta2), g * g * float(1 - o.beta2));
    const float denominator = std::sqrt(square[i]) / float(std::sqrt(o.bias_correction2)) + float(o.eps);
    weight[i] = multiply_add(float(-o.lr / o.bias_correction1), mean[i] / denominator,
                             static_cast<float>(s.weight[i]) * float(1 - o.lr * o.weight_decay));
  }
  const swirl::RoundingKeys keys = swirl::rounding_keys(swirl::rounding_key(r), 0);
  for (size_t block = 0; block < blocks(s.count); ++block) {
    const size_t begin = block * kMomentBlock, end = std::min(s.count, begin + kMomentBlock);
    float largest_mean = 0, largest_square = 0;
    for (size_t i = begin; i < end; ++i) {
      largest_mean = std::max(largest_mean, std::fabs(mean[i]));
      largest_square = std::max(largest_square, square[i]);
    }
    const uint8_t m_scale = swirl::moment_scale(swirl::first_moment_format(), largest_mean);
    const uint8_t v_scale = swirl::moment_scale(swirl::second_moment_format(), largest_square);
    s.m_scale.write()[block] = static_cast<char>(m_scale);
    s.v_scale.write()[block] = static_cast<char>(v_scale);
    for (size_t i = begin; i < end; ++i) {
      const swirl::RoundingBits bits = swirl::rounding_bits(keys, static_cast<uint32_t>(i));
      s.m.write()[i] =
          static_cast<char>(swirl::first_moment_code(mean[i], swirl::scale_inverse(m_scale), bits.first));
      s.v.write()[i] =
          static_cast<char>(swirl::second_moment_code(square[i], swirl::scale_inverse(v_scale), bits.second));
      s.weight.set(i, swirl::float_of(swirl::rounded_weight(weight[i], bits.weight)));
    }
  }
}

// Gradients of very different sizes from element to element, as in an embedding.
Array gradients(Rng& rng, size_t count) {
  Array out(SWIRL_FLOAT32, count);
  for (size_t i = 0; i < count; ++i)
    out.set(i, check::uniform(rng, -1, 1) * std::pow(10.0, check::uniform(rng, -8, 0)));
  return out;
}

void equals_elementwise(Device& device, Rng& rng, size_t count) {
  State got(Array::random(rng, SWIRL_BFLOAT16, count)), want(got);
  for (int step = 1; step <= 4; ++step) {
    const Array gradient = gradients(rng, count);
    const swirl_rounding r = {7, uint64_t(step), 11};
    got.step(device, options(step), gradient, r);
    step_by_element(want, options(step), gradient, r);
    check::expect(got.same_bits(want), "adamw_compact: other bits than element by element, step " +
                                           std::to_string(step) + " of " + std::to_string(count));
  }
}

// State that begins at any address.
void shifted(Device& device, Rng& rng, size_t count) {
  const Array weight = Array::random(rng, SWIRL_BFLOAT16, count), gradient = gradients(rng, count);
  State alone(weight);
  alone.step(device, options(1), gradient);
  Array weight1(SWIRL_BFLOAT16, count + 1), gradient1(SWIRL_FLOAT32, count + 1);
  Mirror m(count + 1), v(count + 1), m_scale(blocks(count)), v_scale(blocks(count));
  for (size_t i = 0; i < count; ++i) {
    weight1.set(i + 1, weight[i]);
    gradient1.set(i + 1, gradient[i]);
  }
  const auto bytes = [](Mirror& x) { return reinterpret_cast<uint8_t*>(x.device_written()); };
  const swirl_compact_moments s = {bytes(m) + 1, bytes(m_scale), bytes(v) + 1, bytes(v_scale)};
  const swirl_adamw o = options(1);
  device.ok(device.k->adamw_compact(device.d, count, &o, &kRounding,
                                    static_cast<uint16_t*>(weight1.data()) + 1, gradient1.f() + 1, &s),
            "adamw_compact");
  const auto tail = [](const Mirror& x) { return std::vector<char>(x.read().begin() + 1, x.read().end()); };
  check::expect(alone.weight.same_bits(weight1, 1) && alone.m.read() == tail(m) &&
                    alone.v.read() == tail(v) && m_scale.read() == alone.m_scale.read() &&
                    v_scale.read() == alone.v_scale.read(),
                "adamw_compact: the address changes the bits");
  check::expect(weight1[0] == 0 && m.read()[0] == 0 && v.read()[0] == 0,
                "adamw_compact: wrote before its state");
}

struct Sample {
  double sum = 0, square = 0;
  size_t n = 0;
  void add(double x) {
    sum += x;
    square += x * x;
    ++n;
  }
  double mean() const { return sum / double(n); }
  double error() const { return std::sqrt(std::max(0.0, square / double(n) - mean() * mean()) / double(n)); }
};
// Within 4.5 standard errors: 1 in 150,000 by chance, and the seed is fixed. `reach`: float32's own rounding.
void unbiased(const Sample& x, double want, double reach, const std::string& what) {
  if (std::fabs(x.mean() - want) <= 4.5 * x.error() + reach) return;
  char text[200];
  std::snprintf(text, sizeof text, "%s: mean %.10g, should be %.10g (standard error %.3g)", what.c_str(),
                x.mean(), want, x.error());
  check::fail(text);
}

// One step of many equal elements; one larger element per block sets the scale.
void rounds_without_bias(Device& device, double value, double slope, double large, int step) {
  constexpr size_t kCount = size_t(1) << 16;
  State s(Array(SWIRL_BFLOAT16, kCount, value));
  const double w = s.weight[1];
  Array gradient(SWIRL_FLOAT32, kCount, slope);
  for (size_t i = 0; i < kCount; i += kMomentBlock) gradient.set(i, large);
  const swirl_adamw o = options(step, 1e-3, 0.1, 1);
  s.step(device, o, gradient, {1, uint64_t(step), 2});
  const double g = gradient[1], mean = (1 - o.beta1) * g, square = (1 - o.beta2) * g * g;
  const double want = w * (1 - o.lr * o.weight_decay) -
                      o.lr / o.bias_correction1 * mean / (std::sqrt(square / o.bias_correction2) + o.eps);
  Sample weights, means, squares;
  double product = 0;
  for (size_t i = 0; i < kCount; ++i) {
    if (i % kMomentBlock == 0) continue;
    weights.add(s.weight[i]);
    means.add(s.mean(i));
    squares.add(s.square(i));
    if (i % kMomentBlock > 1) product += (s.weight[i] - want) * (s.weight[i - 1] - want);
  }
  const std::string at = " at " + std::to_string(value) + ", " + std::to_string(slope);
  unbiased(weights, want, std::fabs(want) * 1e-6, "weight" + at);
  unbiased(means, mean, std::fabs(mean) * 1e-5 + std::fabs(large) * 1e-12, "first moment" + at);
  // Far below the largest, a second moment is rounded up rather than to 0.
  const double step_of_block = large * large * (1 - o.beta2) * std::pow(2.0, -33);
  if (square > step_of_block) {
    unbiased(squares, square, square * 1e-5, "second moment" + at);
  } else {
    check::expect(squares.mean() > square && squares.mean() < 4 * step_of_block,
                  "second moment: not raised" + at);
  }
  const double variance = weights.error() * weights.error() * double(weights.n);
  if (variance > 0)
    check::expect(std::fabs(product / double(weights.n) / variance) < 0.02,
                  "weights: neighbors move together" + at);
}

// Other seeds, steps and parameters round otherwise; the same ones round the same.
void randomness(Device& device, Rng& rng) {
  constexpr size_t kCount = 4096;
  const Array weight = Array::random(rng, SWIRL_BFLOAT16, kCount), gradient = gradients(rng, kCount);
  State first(weight);
  first.step(device, options(1), gradient);
  for (const swirl_rounding r : {kRounding, swirl_rounding{8, 3, 11}, {7, 4, 11}, {7, 3, 12}, {7, 11, 3}}) {
    State other(weight);
    other.step(device, options(1), gradient, r);
    const bool same = r.seed == 7 && r.step == 3 && r.parameter == 11;
    check::expect(first.same_bits(other) == same, "adamw_compact: what the random bits depend on");
  }
  Device threads(2);
  State other(weight);
  other.step(threads, options(1), gradient);
  check::expect(first.same_bits(other), "adamw_compact: the threads change the bits");
}

// 200 steps against float64: the moments stay near, also where each step moves them by far less than the distance of
// two codes; the weights' mean follows.
void follows(Device& device, Rng& rng) {
  constexpr size_t kCount = 2048;
  const Array start(SWIRL_BFLOAT16, kCount, 0.5);
  State s(start);
  Reference w = start.values(), mean(kCount, 0), square(kCount, 0);
  Array gradient(SWIRL_FLOAT32, kCount);
  for (int step = 1; step <= 200; ++step) {
    for (size_t i = 0; i < kCount; ++i)  // ten times as large in the first half
      gradient.set(i, (step <= 100 ? 10 : 1) * (0.02 + check::uniform(rng, -0.1, 0.1)));
    const swirl_adamw o = options(step, 1e-4, 0.1, 1);
    s.step(device, o, gradient, {1, uint64_t(step), 2});
    for (size_t i = 0; i < kCount; ++i) {
      const double g = gradient[i];
      w[i] *= 1 - o.lr * o.weight_decay;
      mean[i] = o.beta1 * mean[i] + (1 - o.beta1) * g;
      square[i] = o.beta2 * square[i] + (1 - o.beta2) * g * g;
      w[i] -= o.lr / o.bias_correction1 * mean[i] /
              (std::sqrt(square[i]) / std::sqrt(o.bias_correction2) + o.eps);
    }
  }
  Sample means, squares, weights;
  double worst = 0, error = 0;
  for (size_t i = 0; i < kCount; ++i) {
    means.add(s.mean(i) - mean[i]);
    squares.add(s.square(i) / square[i]);
    weights.add(s.weight[i] - w[i]);
    const double off = s.square(i) / square[i] - 1;
    worst = std::max(worst, std::fabs(off));
    error += off * off / kCount;
  }
  unbiased(means, 0, 1e-6, "first moment after 200 steps");
  unbiased(squares, 1, 1e-3, "second moment after 200 steps");
  check::expect(worst < 1.2 && error < 0.04, "second moment after 200 steps: off by " +
                                                 std::to_string(worst) + ", mean square " +
                                                 std::to_string(error));
  unbiased(weights, 0, 2e-5, "weight after 200 steps");  // 1 / √v is not linear in v
}

// A zero gradient leaves zeros; no step without a learning rate moves a weight; a tiny second moment stays above 0.
void stays(Device& device, Rng& rng) {
  State s(Array::random(rng, SWIRL_BFLOAT16, 100));
  const State before(s);
  s.step(device, options(1, 0, 0), Array(SWIRL_FLOAT32, 100));
  check::expect(
      s.weight.same_bits(before.weight) && s.m.read() == before.m.read() && s.v.read() == before.v.read(),
      "adamw_compact: a zero gradient changes something");
  Array gradient(SWIRL_FLOAT32, 100, 1e-7);
  gradient.set(5, 100);
  s.step(device, options(1, 0, 0), gradient);
  check::expect(s.weight.same_bits(before.weight), "adamw_compact: without a learning rate a weight moves");
  check::expect(s.square(6) > 0 && s.square(40) > 0, "adamw_compact: a second moment became 0");
}

// Every code is what its own value rounds to, whatever the random bits; neighbors are at most 1/8 apart.
void codes() {
  for (const swirl::MomentFormat& f : {swirl::first_moment_format(), swirl::second_moment_format()}) {
    float before = 0;
    for (uint32_t code = 0; code <= f.largest; ++code) {
      const float x = swirl::moment_value(f, code);
      check::expect(swirl::moment_code(f, x, 0) == code && swirl::moment_code(f, x, 0xfffff) == code,
                    "code " + std::to_string(code) + " of its own value");
      check::expect(code < 9 || x <= before * 1.125f, "code " + std::to_string(code) + " is too far up");
      before = x;
    }
    check::expect(before == std::ldexp(1.75f, f.top), "the largest code");
    for (const float largest : {1e-30f, 0.3f, 1.75f, 1.7500001f, 448.0f, swirl::kLargestMoment}) {
      const uint8_t scale = swirl::moment_scale(f, largest);
      const float scaled = largest * swirl::scale_inverse(scale);
      check::expect(scaled <= before && scaled > before / 2.01f, "the scale of " + std::to_string(largest));
      check::expect(swirl::moment_code(f, scaled, 0xfffff) <= f.largest, "rounds past the largest code");
      check::expect(std::isfinite(before * swirl::scale_value(scale)), "not finite");
    }
  }
}

// The check finds the first element that the step would break, changes nothing, and agrees with the step.
void check_finds(Device& device, Rng& rng, size_t count) {
  State s(Array::random(rng, SWIRL_BFLOAT16, count));
  Array gradient = Array::random(rng, SWIRL_FLOAT32, count);
  s.step(device, options(1), gradient);
  const auto found = [&](const swirl_adamw& o) {
    const State before(s);
    const swirl_compact_moments moments = s.moments();
    int64_t first = -2;
    device.ok(
        device.k->adamw_compact_check(device.d, count, &o, s.weight.data(), gradient.f(), &moments, &first),
        "adamw_compact_check");
    check::expect(s.same_bits(before), "adamw_compact_check: changed something");
    return first;
  };
  check::expect(found(options(2)) == -1, "adamw_compact_check: a good step is refused");
  if (count == 0) return;
  struct Fault {
    Array* array;
    double value;
  };
  const size_t last = count - 1, middle = count / 2;
  for (const Fault fault :
       {Fault{&s.weight, NAN}, {&s.weight, INFINITY}, {&gradient, INFINITY}, {&gradient, 1e30}}) {
    const double was_last = (*fault.array)[last], was_middle = (*fault.array)[middle];
    fault.array->set(last, fault.value);
    check::expect(found(options(2)) == int64_t(last),
                  "adamw_compact_check: the last of " + std::to_string(count));
    fault.array->set(middle, fault.value);
    check::expect(found(options(2)) == int64_t(middle),
                  "adamw_compact_check: the first of " + std::to_string(count));
    fault.array->set(last, was_last);
    fault.array->set(middle, was_middle);
  }
  s.weight.set(middle, swirl::kLargestBfloat16);
  check::expect(found({0, 0.9, 0.999, 1e-8, 0, 1, 1, 1}) == -1,
                "adamw_compact_check: a large weight is refused");
  gradient.set(middle, -1);  // rounded up, the weight could be infinite
  check::expect(found({1e36, 0.9, 0.999, 1e-8, 0, 0.1, 0.001, 1}) >= 0, "adamw_compact_check: past bfloat16");
  check::expect(found({1e38, 0.9, 0.999, 1e-8, 0, 0.1, 0.001, 1}) >= 0, "adamw_compact_check: past float32");
}

void run(Device& device) {
  Rng rng(43);
  codes();
  for (const size_t count : {size_t(1), size_t(31), size_t(32), size_t(37), size_t(1000), size_t(70001)})
    equals_elementwise(device, rng, count);
  for (const size_t count : {size_t(8), size_t(101)}) shifted(device, rng, count);
  rounds_without_bias(device, 0.3, 0.02, 1, 1);
  rounds_without_bias(device, -1.7, -3e-3, 1, 10);
  rounds_without_bias(device, 1e-3, 0.7, 1, 3);
  rounds_without_bias(device, 0.02, 1e-5, 10, 100);
  rounds_without_bias(device, 0.02, 1e-7, 10, 1);
  randomness(device, rng);
  follows(device, rng);
  stays(device, rng);
  for (const size_t count : {size_t(0), size_t(1), size_t(37), size_t(70001)})
    check_finds(device, rng, count);
}

}  // namespace

int main() { return check::test_main("adamw_compact", run); }
