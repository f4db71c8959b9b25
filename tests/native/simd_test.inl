namespace swirl {
namespace SWIRL_ISA {

// Units in the last place between a float and the true value.
inline double ulps(float got, double want) {
  int exponent = 0;
  std::frexp(want, &exponent);
  return std::fabs(got - want) / std::ldexp(1.0, std::max(exponent, -125) - 24);
}

inline void test_exp() {
  double worst_exp = 0, worst_tanh = 0;
  for (int i = -870000; i <= 880000; ++i) {
    const float x = static_cast<float>(i) * 1e-4f;
    worst_exp = std::max(worst_exp, ulps(exp(splat(x))[0], std::exp(static_cast<double>(x))));
    const float t = x * 0.1f;
    worst_tanh = std::max(worst_tanh, ulps(tanh(splat(t))[0], std::tanh(static_cast<double>(t))));
  }
  check::expect(worst_exp <= 2, "exp: off by " + std::to_string(worst_exp) + " ulp");
  check::expect(worst_tanh <= 6, "tanh: off by " + std::to_string(worst_tanh) + " ulp");
  const float inf = INFINITY;
  check::expect(exp(splat(-inf))[0] == 0 && exp(splat(-200.0f))[0] == 0 && exp(splat(-1e30f))[0] == 0,
                "exp: far below");
  check::expect(exp(splat(inf))[0] == inf && exp(splat(89.5f))[0] == inf && exp(splat(1e30f))[0] == inf,
                "exp: far above");
  check::expect(exp(splat(0.0f))[0] == 1 && exp(splat(-0.0f))[0] == 1, "exp: of 0");
  check::expect(std::isnan(exp(splat(NAN))[0]) && std::isnan(tanh(splat(NAN))[0]), "exp, tanh: of NaN");
  check::expect(tanh(splat(1e9f))[0] == 1 && tanh(splat(-inf))[0] == -1 && tanh(splat(0.0f))[0] == 0,
                "tanh: ends");
}

inline void test_moves() {
  float from[kLanes * kLanes], to[kLanes * kLanes];
  V line[kLanes];
  for (int i = 0; i < kLanes * kLanes; ++i) from[i] = static_cast<float>(i);
  for (int i = 0; i < kLanes; ++i) line[i] = load(from + i * kLanes);
  transpose(line);
  for (int i = 0; i < kLanes; ++i) store(to + i * kLanes, line[i]);
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < kLanes; ++j) check::expect(to[i * kLanes + j] == from[j * kLanes + i], "transpose");
  for (int n = 0; n <= kLanes; ++n) {
    float out[kLanes + 1];
    bfloat16 narrow[kLanes + 1], narrow_from[kLanes + 1];
    for (int i = 0; i <= kLanes; ++i) {
      out[i] = -1;
      narrow[i] = to_bfloat16(-1);
      narrow_from[i] = to_bfloat16(static_cast<float>(i + 1));
    }
    store_n(out, load_n(from, n), n);
    store_n(narrow, load_n(narrow_from, n), n);
    const V partial = load_n(from, n), partial_narrow = load_n(narrow_from, n);
    for (int i = 0; i < kLanes; ++i) {
      check::expect(partial[i] == (i < n ? from[i] : 0.0f), "load_n of float");
      check::expect(partial_narrow[i] == (i < n ? static_cast<float>(i + 1) : 0.0f), "load_n of bfloat16");
      check::expect(out[i] == (i < n ? from[i] : -1.0f), "store_n of float");
      check::expect(to_float(narrow[i]) == (i < n ? static_cast<float>(i + 1) : -1.0f),
                    "store_n of bfloat16");
    }
    check::expect(out[kLanes] == -1 && to_float(narrow[kLanes]) == -1, "store_n: past the end");
  }
  float total = 0, top = -INFINITY;
  for (int i = 0; i < kLanes; ++i) {
    total += from[i];
    top = std::max(top, from[i]);
  }
  check::expect(sum(load(from)) == total && largest(load(from)) == top, "sum and largest of the lanes");
}

inline void test_simd() {
  test_exp();
  test_moves();
}

}  // namespace SWIRL_ISA
}  // namespace swirl
