// AdamW as torch.optim.AdamW computes it: decoupled decay first, then m and v, then
// weight -= lr / correction1 · m / (√v / √correction2 + eps). Shared by adamw and adamw_compact.
namespace swirl {
namespace SWIRL_ISA {

struct AdamwConstants {
  V decay, scale, mix1, keep2, mix2, root, eps, step;
};
SWIRL_INLINE AdamwConstants adamw_constants(const swirl_adamw& o) {
  return {splat(float(1 - o.lr * o.weight_decay)),
          splat(float(o.gradient_scale)),
          splat(float(1 - o.beta1)),
          splat(float(o.beta2)),
          splat(float(1 - o.beta2)),
          splat(float(std::sqrt(o.bias_correction2))),
          splat(float(o.eps)),
          splat(float(-o.lr / o.bias_correction1))};
}

struct AdamwElements {
  V weight, gradient, mean, square;
};
SWIRL_INLINE void adamw_move(const AdamwConstants& c, AdamwElements& x) {
  const V g = x.gradient * c.scale;
  x.mean = fma(g - x.mean, c.mix1, x.mean);
  x.square = fma(x.square, c.keep2, g * g * c.mix2);
  const V denominator = sqrt(x.square) / c.root + c.eps;
  x.weight = fma(c.step, x.mean / denominator, x.weight * c.decay);
}

}  // namespace SWIRL_ISA
}  // namespace swirl
