// AdamW as torch.optim.AdamW computes it: decoupled decay first, then m and v, then
// weight -= lr / correction1 · m / (√v / √correction2 + eps).
namespace swirl {
namespace SWIRL_ISA {

template <class T>
void adamw_range(const swirl_adamw& o, int64_t begin, int64_t end, float* weight, const float* gradient,
                 float* m, float* v, T* compute) {
  const V decay = splat(float(1 - o.lr * o.weight_decay)), scale = splat(float(o.gradient_scale));
  const V mix1 = splat(float(1 - o.beta1)), keep2 = splat(float(o.beta2)), mix2 = splat(float(1 - o.beta2));
  const V root = splat(float(std::sqrt(o.bias_correction2))), eps = splat(float(o.eps));
  const V step = splat(float(-o.lr / o.bias_correction1));
  for (int64_t i = begin; i < end; i += kLanes) {
    const int n = end - i < kLanes ? static_cast<int>(end - i) : kLanes;
    const bool whole = n == kLanes;
    const V g = (whole ? load(gradient + i) : load_n(gradient + i, n)) * scale;
    V mean = whole ? load(m + i) : load_n(m + i, n);
    V square = whole ? load(v + i) : load_n(v + i, n);
    V w = whole ? load(weight + i) : load_n(weight + i, n);
    mean = fma(g - mean, mix1, mean);
    square = fma(square, keep2, g * g * mix2);
    const V denominator = sqrt(square) / root + eps;
    w = fma(step, mean / denominator, w * decay);
    if (whole) {
      store(m + i, mean);
      store(v + i, square);
      store(weight + i, w);
      if (compute != nullptr) store(compute + i, w);
    } else {
      store_n(m + i, mean, n);
      store_n(v + i, square, n);
      store_n(weight + i, w, n);
      if (compute != nullptr) store_n(compute + i, w, n);
    }
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
