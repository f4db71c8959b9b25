namespace swirl {
namespace SWIRL_ISA {

template <class To, class From>
void convert_range(To* to, const From* from, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) store(to + i, load(from + i));
  for (; i < end; ++i) assign(to[i], to_float(from[i]));
}

}  // namespace SWIRL_ISA
}  // namespace swirl
