namespace swirl {
namespace SWIRL_ISA {

// y += x; x may be of another type.
template <class X, class Y>
void add_range(const X* x, Y* y, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, load(y + i) + load(x + i));
  for (; i < count; ++i) assign(y[i], to_float(y[i]) + to_float(x[i]));
}

}  // namespace SWIRL_ISA
}  // namespace swirl
