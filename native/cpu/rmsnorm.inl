// RMSNorm of rows [begin, end): y = x · rstd · w with w = weight + offset and rstd = (mean(x²) + eps)^-½.
// Gradient, with g = dy · w: dx = rstd · (g - x · rstd² · mean(g · x)), dweight = Σ dy · x · rstd.
// Compiled once per instruction set (each_isa.h), which defines the vector type V of kLanes floats.
namespace swirl {
namespace SWIRL_ISA {

template <class X, class Y>
void rmsnorm_rows(int64_t begin, int64_t end, int32_t groups, int32_t width, const X* x, int64_t ldx,
                  const float* weight, float offset, float eps, Y* y, int64_t ldy, float* rstd) {
  const V shift = splat(offset);
  for (int64_t row = begin; row < end; ++row) {
    for (int32_t group = 0; group < groups; ++group) {
      const X* from = x + row * ldx + static_cast<int64_t>(group) * width;
      Y* to = y + row * ldy + static_cast<int64_t>(group) * width;
      V squares = zeros();
      int32_t i = 0;
      for (; i + kLanes <= width; i += kLanes) {
        const V value = load(from + i);
        squares = fma(value, value, squares);
      }
      if (i < width) {
        const V value = load_n(from + i, width - i);
        squares = fma(value, value, squares);
      }
      const float r = 1.0f / std::sqrt(sum(squares) / static_cast<float>(width) + eps);
      rstd[row * groups + group] = r;
      const V factor = splat(r);
      for (i = 0; i + kLanes <= width; i += kLanes)
        store(to + i, load(from + i) * factor * (load(weight + i) + shift));
      if (i < width) {
        const V value = load_n(from + i, width - i) * factor * (load_n(weight + i, width - i) + shift);
        store_n(to + i, value, width - i);
      }
    }
  }
}

template <class X, class DY, class DX>
void rmsnorm_gradient_rows(int64_t begin, int64_t end, int32_t groups, int32_t width, const X* x, int64_t ldx,
                           const float* weight, float offset, const float* rstd, const DY* dy, int64_t lddy,
                           DX* dx, int64_t lddx, int accumulate, float* dweight) {
  const V shift = splat(offset);
  for (int64_t row = begin; row < end; ++row) {
    for (int32_t group = 0; group < groups; ++group) {
      const int64_t at = static_cast<int64_t>(group) * width;
      const X* input = x + row * ldx + at;
      const DY* gradient = dy + row * lddy + at;
      DX* to = dx + row * lddx + at;
      const float r = rstd[row * groups + group];
      const V factor = splat(r);
      V dot = zeros();
      for (int32_t i = 0; i < width; i += kLanes) {
        const int32_t n = width - i < kLanes ? width - i : kLanes;
        const bool whole = n == kLanes;
        const V value = whole ? load(input + i) : load_n(input + i, n);
        const V d = whole ? load(gradient + i) : load_n(gradient + i, n);
        const V w = (whole ? load(weight + i) : load_n(weight + i, n)) + shift;
        dot = fma(d * w, value, dot);
        if (dweight == nullptr) continue;
        const V dw = fma(d, value * factor, whole ? load(dweight + i) : load_n(dweight + i, n));
        if (whole) {
          store(dweight + i, dw);
        } else {
          store_n(dweight + i, dw, n);
        }
      }
      const V pull = splat(-sum(dot) / static_cast<float>(width) * r * r * r);
      for (int32_t i = 0; i < width; i += kLanes) {
        const int32_t n = width - i < kLanes ? width - i : kLanes;
        const bool whole = n == kLanes;
        const V value = whole ? load(input + i) : load_n(input + i, n);
        const V d = whole ? load(gradient + i) : load_n(gradient + i, n);
        const V w = (whole ? load(weight + i) : load_n(weight + i, n)) + shift;
        V out = fma(value, pull, d * w * factor);
        if (accumulate) out = out + (whole ? load(to + i) : load_n(to + i, n));
        if (whole) {
          store(to + i, out);
        } else {
          store_n(to + i, out, n);
        }
      }
    }
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
