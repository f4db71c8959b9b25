namespace swirl {
namespace SWIRL_ISA {

// Eight running float64 sums, added in order at the end. The square of a float32 is exact in float64.
inline void squares_range(const float* x, int64_t count, double* out) {
  constexpr int kSums = 8;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums)
    for (int j = 0; j < kSums; ++j) sums[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
  for (; i < count; ++i) sums[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0;
  for (int j = 0; j < kSums; ++j) total += sums[j];
  *out = total;
}

}  // namespace SWIRL_ISA
}  // namespace swirl
