namespace swirl {
namespace SWIRL_ISA {

template <class T>
void embedding_rows(int64_t begin, int64_t end, int32_t width, const int32_t* tokens, const T* table,
                    float scale, float* out) {
  const V factor = splat(scale);
  for (int64_t row = begin; row < end; ++row) {
    const T* from = table + static_cast<int64_t>(tokens[row]) * width;
    float* to = out + row * width;
    int32_t i = 0;
    for (; i + kLanes <= width; i += kLanes) store(to + i, load(from + i) * factor);
    for (; i < width; ++i) to[i] = to_float(from[i]) * scale;
  }
}

// to += from · scale
inline void add_scaled(int32_t width, const float* from, float scale, float* to) {
  const V factor = splat(scale);
  int32_t i = 0;
  for (; i + kLanes <= width; i += kLanes) store(to + i, fma(load(from + i), factor, load(to + i)));
  for (; i < width; ++i) to[i] += from[i] * scale;
}

}  // namespace SWIRL_ISA
}  // namespace swirl
