// add, bias, gather, scatter, scatter-add, conversion of rows: at odd widths and distances as at those that vector
// paths take, and with no rows at all.
#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

void moves(Device& device, Rng& rng, swirl_dtype dtype, int width, int gap) {
  const int rows = 23, places = 60, ld_from = width + gap, ld_to = width + 2 * gap;
  std::vector<int32_t> index(static_cast<size_t>(places));
  for (int i = 0; i < places; ++i) index[size_t(i)] = i;
  std::shuffle(index.begin(), index.end(), rng);
  index.resize(size_t(rows));
  const check::Ints there(index);
  const Array many = Array::random(rng, dtype, size_t(places) * ld_from),
              few = Array::random(rng, dtype, size_t(rows) * ld_from);
  Array gathered(dtype, size_t(rows) * ld_to, 3), scattered(dtype, size_t(places) * ld_to, 3);
  device.ok(device.k->gather_rows(device.d, rows, width, there.data(), many.data(), ld_from, gathered.data(),
                                  ld_to, dtype),
            "gather_rows");
  device.ok(device.k->scatter_rows(device.d, rows, width, there.data(), few.data(), ld_from, scattered.data(),
                                   ld_to, dtype),
            "scatter_rows");
  Reference want_gathered(gathered.size(), 3), want_scattered(scattered.size(), 3);
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < width; ++i) {
      want_gathered[size_t(r) * ld_to + i] = many[size_t(index[size_t(r)]) * ld_from + i];
      want_scattered[size_t(index[size_t(r)]) * ld_to + i] = few[size_t(r) * ld_from + i];
    }
  check::close(gathered, want_gathered, 0, "gather_rows");
  check::close(scattered, want_scattered, 0, "scatter_rows");
  if (dtype != SWIRL_FLOAT32) return;
  const Array before = Array::random(rng, dtype, size_t(places) * ld_to);
  Array sums(before), from(few);
  device.ok(
      device.k->scatter_add_rows(device.d, rows, width, there.data(), from.f(), ld_from, sums.f(), ld_to),
      "scatter_add_rows");
  Reference want = before.values();
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < width; ++i)
      want[size_t(index[size_t(r)]) * ld_to + i] += few[size_t(r) * ld_from + i];
  check::close(sums, want, 1e-7, "scatter_add_rows");
}

// Only rows × width elements change, each as `convert` would round it, after its column's factor in float32.
void convert(Device& device, Rng& rng, swirl_dtype dtype, int rows, int width, int gap, bool factors) {
  const int ld_from = width + gap, ld_to = width + 2 * gap;
  const Array from = Array::random(rng, SWIRL_FLOAT32, size_t(rows) * ld_from, 100);
  Array factor = Array::random(rng, SWIRL_FLOAT32, size_t(width), 2), scaled(from);
  for (size_t i = 0; factors && i < scaled.size(); ++i) {
    const size_t column = i % size_t(ld_from);
    if (column < size_t(width)) scaled.set(i, float(from[i]) * float(factor[column]));
  }
  Array to(dtype, size_t(rows) * ld_to, 3), rounded(dtype, from.size());
  device.ok(device.k->convert_rows(device.d, rows, width, from.f(), ld_from, factors ? factor.f() : nullptr,
                                   to.data(), ld_to, dtype),
            "convert_rows");
  device.ok(device.k->convert(device.d, rounded.data(), dtype, scaled.data(), SWIRL_FLOAT32, from.size()),
            "convert");
  Reference want(to.size(), 3);
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < width; ++i) want[size_t(r) * ld_to + i] = rounded[size_t(r) * ld_from + i];
  check::close(to, want, 0,
               "convert_rows of " + std::to_string(rows) + " rows of " + std::to_string(width) + " to " +
                   check::name(dtype) + (factors ? " with factors" : ""));
  if (dtype != SWIRL_FLOAT32 || gap != 0) return;
  Array in_place(from);
  device.ok(device.k->convert_rows(device.d, rows, width, in_place.f(), width, factors ? factor.f() : nullptr,
                                   in_place.data(), width, dtype),
            "convert_rows");
  check::close(in_place, want, 0, "convert_rows in place");
}

void no_rows(Device& device, swirl_dtype dtype) {
  const Array some(dtype, 8, 1), floats(SWIRL_FLOAT32, 8, 1);
  Array to(dtype, 8, 3), sums(SWIRL_FLOAT32, 8, 3);
  const check::Ints index({0});
  const swirl_kernels& k = *device.k;
  device.ok(k.gather_rows(device.d, 0, 8, index.data(), some.data(), 8, to.data(), 8, dtype), "gather_rows");
  device.ok(k.scatter_rows(device.d, 0, 8, index.data(), some.data(), 8, to.data(), 8, dtype),
            "scatter_rows");
  device.ok(k.scatter_add_rows(device.d, 0, 8, index.data(), floats.f(), 8, sums.f(), 8), "scatter_add_rows");
  device.ok(k.convert_rows(device.d, 0, 8, floats.f(), 8, nullptr, to.data(), 8, dtype), "convert_rows");
  device.ok(k.bias_forward(device.d, 0, 8, to.data(), 8, dtype, floats.f()), "bias_forward");
  device.ok(k.bias_backward(device.d, 0, 8, some.data(), 8, dtype, sums.f()), "bias_backward");
  device.ok(k.add(device.d, 0, floats.f(), sums.f()), "add");
  check::close(to, Reference(8, 3), 0, "no rows: nothing may change");
  check::close(sums, Reference(8, 3), 0, "no rows: no sum may change");
}

void bias(Device& device, Rng& rng, swirl_dtype dtype, int rows, int width, int gap) {
  const int ld = width + gap;
  const Array before = Array::random(rng, dtype, size_t(rows) * ld);
  Array vector = Array::random(rng, SWIRL_FLOAT32, size_t(width));
  Array x(before);
  device.ok(device.k->bias_forward(device.d, rows, width, x.data(), ld, dtype, vector.f()), "bias_forward");
  Reference want = before.values(), sums = vector.values();
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < width; ++i) {
      want[size_t(r) * ld + i] += vector[size_t(i)];
      sums[size_t(i)] += before[size_t(r) * ld + i];
    }
  check::close(x, want, dtype == SWIRL_FLOAT32 ? 1e-7 : 4e-3, "bias_forward");
  Array gradient(vector), again(vector);
  for (Array* to : {&gradient, &again})
    device.ok(device.k->bias_backward(device.d, rows, width, before.data(), ld, dtype, to->f()),
              "bias_backward");
  check::close(gradient, sums, 1e-6, "bias_backward");
  check::expect(gradient.same_bits(again), "bias_backward: other bits at a second call");
}

void run(Device& device) {
  Rng rng(19);
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    for (const int gap : {0, 3, 8}) {
      for (const int width : {1, 19, 128, 320}) {
        moves(device, rng, dtype, width, gap);
        for (const bool factors : {false, true}) {
          convert(device, rng, dtype, 1, width, gap, factors);
          convert(device, rng, dtype, 37, width, gap, factors);
        }
      }
      bias(device, rng, dtype, 1, 33, gap);
      bias(device, rng, dtype, 131, 72, gap);
      bias(device, rng, dtype, 40, 1152, gap);
      bias(device, rng, dtype, 2500, 3, gap);
    }
    no_rows(device, dtype);
  }
  for (const size_t count : {size_t(1), size_t(33), size_t(200000)}) {
    Array x = Array::random(rng, SWIRL_FLOAT32, count), y = Array::random(rng, SWIRL_FLOAT32, count);
    Reference want = y.values();
    for (size_t i = 0; i < count; ++i) want[i] += x[i];
    device.ok(device.k->add(device.d, count, x.f(), y.f()), "add");
    check::close(y, want, 1e-7, "add");
  }
}

}  // namespace

int main() { return check::test_main("rows", run); }
