namespace swirl {
namespace SWIRL_ISA {

template <class To, class From>
void convert_range(To* to, const From* from, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) store(to + i, load(from + i));
  for (; i < end; ++i) assign(to[i], to_float(from[i]));
}

// to[i] = factor[i] · from[i]
template <class To>
void scale_range(To* to, const float* from, const float* factor, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i) * load(factor + i));
  for (; i < count; ++i) assign(to[i], from[i] * factor[i]);
}

}  // namespace SWIRL_ISA
}  // namespace swirl
