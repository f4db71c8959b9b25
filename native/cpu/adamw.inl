// The ranges of adamw and adamw_check.
#include "native/cpu/adamw_step.inl"

namespace swirl {
namespace SWIRL_ISA {

// The first n elements from i on, zeros after them.
SWIRL_INLINE AdamwElements adamw_load(int64_t i, int n, const float* weight, const float* gradient,
                                      const float* m, const float* v) {
  if (n == kLanes) return {load(weight + i), load(gradient + i), load(m + i), load(v + i)};
  return {load_n(weight + i, n), load_n(gradient + i, n), load_n(m + i, n), load_n(v + i, n)};
}

template <class T>
void adamw_range(const swirl_adamw& o, int64_t begin, int64_t end, float* weight, const float* gradient,
                 float* m, float* v, T* compute) {
  const AdamwConstants c = adamw_constants(o);
  for (int64_t i = begin; i < end; i += kLanes) {
    const int n = end - i < kLanes ? static_cast<int>(end - i) : kLanes;
    AdamwElements x = adamw_load(i, n, weight, gradient, m, v);
    adamw_move(c, x);
    if (n == kLanes) {
      store(m + i, x.mean);
      store(v + i, x.square);
      store(weight + i, x.weight);
      if (compute != nullptr) store(compute + i, x.weight);
    } else {
      store_n(m + i, x.mean, n);
      store_n(v + i, x.square, n);
      store_n(weight + i, x.weight, n);
      if (compute != nullptr) store_n(compute + i, x.weight, n);
    }
  }
}

// 0 in each lane that stays usable, NaN in the others: 0 times infinity or NaN is NaN.
SWIRL_INLINE V adamw_broken(const AdamwElements& x) {
  const V none = zeros();
  return fma(x.weight * splat(kBeyondBfloat16), none, fma(x.mean, none, x.square * none));
}

// first: the first element of [begin, end) that the step would break, or -1.
inline void adamw_first_broken(const swirl_adamw& o, int64_t begin, int64_t end, const float* weight,
                               const float* gradient, const float* m, const float* v, int64_t* first) {
  const AdamwConstants c = adamw_constants(o);
  V broken = zeros();
  for (int64_t i = begin; i < end; i += kLanes) {
    const int n = end - i < kLanes ? static_cast<int>(end - i) : kLanes;
    AdamwElements x = adamw_load(i, n, weight, gradient, m, v);
    adamw_move(c, x);
    broken += adamw_broken(x);
  }
  float lanes[kLanes];
  store(lanes, broken);
  bool any = false;
  for (const float lane : lanes) any = any || lane != lane;
  *first = -1;
  if (!any) return;
  for (int64_t i = begin; i < end && *first < 0; i += kLanes) {  // rare: found again, lane by lane
    const int n = end - i < kLanes ? static_cast<int>(end - i) : kLanes;
    AdamwElements x = adamw_load(i, n, weight, gradient, m, v);
    adamw_move(c, x);
    store(lanes, adamw_broken(x));
    for (int j = n - 1; j >= 0; --j)
      if (lanes[j] != lanes[j]) *first = i + j;
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
