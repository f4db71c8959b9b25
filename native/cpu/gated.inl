// silu(x) = x · σ(x); gelu_tanh(x) = x · ½(1 + tanh(√(2/π)(x + 0.044715x³))), written as x · σ(2 · …).
namespace swirl {
namespace SWIRL_ISA {

SWIRL_INLINE V sigmoid(V x) { return 1.0f / (1.0f + exp(-x)); }

// The activation and, for the gradient, its derivative.
template <swirl_activation kActivation>
SWIRL_INLINE V activate(V x, V* derivative) {
  if (kActivation == SWIRL_SILU) {
    const V s = sigmoid(x);
    const V y = x * s;
    if (derivative != nullptr) *derivative = fma(y, 1.0f - s, s);
    return y;
  }
  const V square = min(x * x, splat(1e4f));  // past it the sigmoid is 0 or 1, and inf · 0 must not arise
  const V inner = splat(1.5957691216057308f) * x * fma(square, splat(0.044715f), splat(1.0f));
  const V s = sigmoid(inner);
  const V y = x * s;
  if (derivative != nullptr) {
    const V slope = splat(1.5957691216057308f) * fma(square, splat(0.134145f), splat(1.0f));
    *derivative = fma(y * (1.0f - s), slope, s);
  }
  return y;
}

template <swirl_activation kActivation, class T>
void gated_rows(int64_t begin, int64_t end, int32_t width, const T* gate_up, T* out) {
  for (int64_t row = begin; row < end; ++row) {
    const T* gate = gate_up + row * 2 * width;
    const T* up = gate + width;
    T* to = out + row * width;
    int32_t i = 0;
    for (; i + kLanes <= width; i += kLanes)
      store(to + i, activate<kActivation>(load(gate + i), nullptr) * load(up + i));
    if (i < width) {
      const int n = width - i;
      store_n(to + i, activate<kActivation>(load_n(gate + i, n), nullptr) * load_n(up + i, n), n);
    }
  }
}

template <swirl_activation kActivation, class T>
void gated_gradient_rows(int64_t begin, int64_t end, int32_t width, const T* gate_up, const T* dout,
                         T* dgate_up) {
  for (int64_t row = begin; row < end; ++row) {
    const T* gate = gate_up + row * 2 * width;
    const T* up = gate + width;
    const T* gradient = dout + row * width;
    T* dgate = dgate_up + row * 2 * width;
    T* dup = dgate + width;
    int32_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      V derivative;
      const V d = load(gradient + i), u = load(up + i);
      const V y = activate<kActivation>(load(gate + i), &derivative);
      store(dgate + i, d * u * derivative);
      store(dup + i, d * y);
    }
    if (i < width) {
      const int n = width - i;
      V derivative;
      const V d = load_n(gradient + i, n), u = load_n(up + i, n);
      const V y = activate<kActivation>(load_n(gate + i, n), &derivative);
      store_n(dgate + i, d * u * derivative, n);
      store_n(dup + i, d * y, n);
    }
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
