namespace swirl {
namespace SWIRL_ISA {

template <class T>
void rope_rows(int64_t begin, int64_t end, int32_t heads, int32_t head_dim, T* x, int64_t ld,
               const int32_t* positions, const float* cosine, const float* sine, int inverse) {
  const int32_t half = head_dim / 2;
  const V sign = splat(inverse ? -1.0f : 1.0f);
  for (int64_t row = begin; row < end; ++row) {
    const float* c = cosine + static_cast<int64_t>(positions[row]) * half;
    const float* s = sine + static_cast<int64_t>(positions[row]) * half;
    for (int32_t head = 0; head < heads; ++head) {
      T* low = x + row * ld + static_cast<int64_t>(head) * head_dim;
      T* high = low + half;
      for (int32_t i = 0; i < half; i += kLanes) {
        const int32_t n = half - i < kLanes ? half - i : kLanes;
        if (n == kLanes) {
          const V a = load(low + i), b = load(high + i), co = load(c + i), si = load(s + i) * sign;
          store(low + i, a * co - b * si);
          store(high + i, fma(a, si, b * co));
        } else {
          const V a = load_n(low + i, n), b = load_n(high + i, n), co = load_n(c + i, n),
                  si = load_n(s + i, n) * sign;
          store_n(low + i, a * co - b * si, n);
          store_n(high + i, fma(a, si, b * co), n);
        }
      }
    }
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
