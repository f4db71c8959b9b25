// RMSNorm: forward against float64, backward against finite differences, for every combination of types; in place;
// per head.
#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

struct Shape {
  int rows, groups, width;
  float offset;
  swirl_dtype x, y;
};

std::string text(const Shape& s) {
  char out[120];
  std::snprintf(out, sizeof out, "rmsnorm rows %d groups %d width %d offset %g %s -> %s ", s.rows, s.groups,
                s.width, double(s.offset), check::name(s.x), check::name(s.y));
  return out;
}

constexpr double kEps = 1e-5;

Reference norm(const Shape& s, const Reference& x, const Reference& weight) {
  Reference y(x.size());
  for (int line = 0; line < s.rows * s.groups; ++line) {
    double squares = 0;
    for (int i = 0; i < s.width; ++i)
      squares += x[size_t(line) * s.width + i] * x[size_t(line) * s.width + i];
    const double r = 1 / std::sqrt(squares / s.width + double(float(kEps)));
    for (int i = 0; i < s.width; ++i)
      y[size_t(line) * s.width + i] = x[size_t(line) * s.width + i] * r * (weight[size_t(i)] + s.offset);
  }
  return y;
}

void one(Device& device, Rng& rng, const Shape& s, int accumulate) {
  const int line = s.groups * s.width;
  const size_t count = size_t(s.rows) * line;
  const Array x = Array::random(rng, s.x, count), dy = Array::random(rng, s.y, count);
  Array weight = Array::random(rng, SWIRL_FLOAT32, size_t(s.width)), y(s.y, count);
  Array rstd(SWIRL_FLOAT32, size_t(s.rows) * s.groups);
  device.ok(device.k->rmsnorm_forward(device.d, s.rows, s.groups, s.width, x.data(), line, s.x, weight.f(),
                                      s.offset, float(kEps), y.data(), line, s.y, rstd.f()),
            "rmsnorm_forward");
  check::close(y, norm(s, x.values(), weight.values()), s.y == SWIRL_FLOAT32 ? 2e-6 : 4e-3, text(s) + "y");
  if (s.x == s.y) {
    Array in_place(x);
    device.ok(
        device.k->rmsnorm_forward(device.d, s.rows, s.groups, s.width, in_place.data(), line, s.x, weight.f(),
                                  s.offset, float(kEps), in_place.data(), line, s.y, rstd.f()),
        "rmsnorm_forward");
    check::expect(in_place.same_bits(y), text(s) + "in place differs");
  }
  const int row = check::integer(rng, 0, s.rows - 1);
  Array alone(s.y, size_t(line)), rstd_alone(SWIRL_FLOAT32, size_t(s.groups));
  device.ok(
      device.k->rmsnorm_forward(device.d, 1, s.groups, s.width, x.row(size_t(row) * line), line, s.x,
                                weight.f(), s.offset, float(kEps), alone.data(), line, s.y, rstd_alone.f()),
      "rmsnorm_forward");
  check::expect(alone.same_bits(y, size_t(row) * line), text(s) + "a row alone differs");

  // Gradient into float32 (the residual stream) and, for a per-head norm, into the compute type.
  const swirl_dtype dx_type = s.groups > 1 ? s.y : SWIRL_FLOAT32;
  const Array dx_before = Array::random(rng, dx_type, count),
              dw_before = Array::random(rng, SWIRL_FLOAT32, size_t(s.width));
  Array dx(dx_before), dweight(dw_before);
  device.ok(device.k->rmsnorm_backward(device.d, s.rows, s.groups, s.width, x.data(), line, s.x, weight.f(),
                                       s.offset, rstd.f(), dy.data(), line, s.y, dx.data(), line, dx_type,
                                       accumulate, dweight.f()),
            "rmsnorm_backward");
  Array gradient(SWIRL_FLOAT32, count), dw(SWIRL_FLOAT32, size_t(s.width));
  for (size_t i = 0; i < count; ++i) gradient.set(i, dx[i] - (accumulate ? dx_before[i] : 0));
  for (size_t i = 0; i < dw.size(); ++i) dw.set(i, dweight[i] - dw_before[i]);
  const Reference x0 = x.values(), w0 = weight.values(), g = dy.values();
  const auto loss = [&](const Reference& a, const Reference& w) {
    const Reference out = norm(s, a, w);
    double total = 0;
    for (size_t i = 0; i < out.size(); ++i) total += out[i] * g[i];
    return total;
  };
  const double tolerance = dx_type == SWIRL_FLOAT32 ? 1e-5 : 8e-3;
  check::finite_differences(
      x0, [&](const Reference& a) { return loss(a, w0); }, gradient, 1 + count / 31, tolerance,
      text(s) + "dx");
  check::finite_differences(
      w0, [&](const Reference& w) { return loss(x0, w); }, dw, 1 + w0.size() / 31, 1e-5, text(s) + "dweight");
  Array dx2(dx_before), dweight2(dw_before);
  device.ok(device.k->rmsnorm_backward(device.d, s.rows, s.groups, s.width, x.data(), line, s.x, weight.f(),
                                       s.offset, rstd.f(), dy.data(), line, s.y, dx2.data(), line, dx_type,
                                       accumulate, dweight2.f()),
            "rmsnorm_backward");
  check::expect(dx.same_bits(dx2) && dweight.same_bits(dweight2), text(s) + "other bits at a second call");
  Array frozen(dx_before);
  device.ok(device.k->rmsnorm_backward(device.d, s.rows, s.groups, s.width, x.data(), line, s.x, weight.f(),
                                       s.offset, rstd.f(), dy.data(), line, s.y, frozen.data(), line, dx_type,
                                       accumulate, nullptr),
            "rmsnorm_backward");
  check::expect(frozen.same_bits(dx), text(s) + "without dweight: dx differs");
  if (dx_type == s.y) {
    Array in_place(dy), dw_in_place(dw_before);
    Array apart(dx_type, count), dw_apart(dw_before);
    for (Array* to : {&in_place, &apart})
      device.ok(device.k->rmsnorm_backward(
                    device.d, s.rows, s.groups, s.width, x.data(), line, s.x, weight.f(), s.offset, rstd.f(),
                    to == &in_place ? to->data() : dy.data(), line, s.y, to->data(), line, dx_type, 0,
                    to == &in_place ? dw_in_place.f() : dw_apart.f()),
                "rmsnorm_backward");
    check::expect(in_place.same_bits(apart) && dw_in_place.same_bits(dw_apart),
                  text(s) + "dx in dy's place differs");
  }
}

// Rows with gaps between them, at unaligned addresses, give the same bits as contiguous rows.
void apart(Device& device, Rng& rng, const Shape& s, int gap) {
  const int line = s.groups * s.width, ld = line + gap;
  const Array x = Array::random(rng, s.x, size_t(s.rows) * line), dy = Array::random(rng, s.y, x.size());
  const Array weight = Array::random(rng, SWIRL_FLOAT32, size_t(s.width));
  Array far_x(s.x, size_t(s.rows) * ld + 1, 5), far_dy(s.y, far_x.size(), 5), far_y(s.y, far_x.size(), 5);
  Array far_dx(SWIRL_FLOAT32, far_x.size(), 5), dx(SWIRL_FLOAT32, x.size()), y(s.y, x.size());
  for (int r = 0; r < s.rows; ++r)
    for (int i = 0; i < line; ++i) {
      far_x.set(size_t(r) * ld + i + 1, x[size_t(r) * line + i]);
      far_dy.set(size_t(r) * ld + i + 1, dy[size_t(r) * line + i]);
    }
  Array rstd(SWIRL_FLOAT32, size_t(s.rows) * s.groups), far_rstd(rstd);
  Array dweight(SWIRL_FLOAT32, size_t(s.width)), far_dweight(dweight);
  const auto at = [&](Array& array) { return static_cast<char*>(array.data()) + array.width(); };
  const auto both = [&](const void* x_at, const void* dy_at, void* y_at, void* dx_at, int stride, Array& r,
                        Array& dw) {
    device.ok(device.k->rmsnorm_forward(device.d, s.rows, s.groups, s.width, x_at, stride, s.x, weight.f(),
                                        s.offset, float(kEps), y_at, stride, s.y, r.f()),
              "rmsnorm_forward");
    device.ok(device.k->rmsnorm_backward(device.d, s.rows, s.groups, s.width, x_at, stride, s.x, weight.f(),
                                         s.offset, r.f(), dy_at, stride, s.y, dx_at, stride, SWIRL_FLOAT32, 0,
                                         dw.f()),
              "rmsnorm_backward");
  };
  both(x.data(), dy.data(), y.data(), dx.data(), line, rstd, dweight);
  both(at(far_x), at(far_dy), at(far_y), at(far_dx), ld, far_rstd, far_dweight);
  check::expect(rstd.same_bits(far_rstd) && dweight.same_bits(far_dweight), text(s) + "apart: other sums");
  for (int r = 0; r < s.rows; ++r)
    for (int i = -1; i < ld && size_t(r) * ld + i + 1 < far_y.size(); ++i) {
      const size_t place = size_t(r) * ld + i + 1, from = size_t(r) * line + i;
      const bool inside = i >= 0 && i < line;
      if (i < 0 && r > 0) continue;  // checked with the row before
      check::expect(far_y[place] == (inside ? y[from] : 5) && far_dx[place] == (inside ? dx[from] : 5),
                    text(s) + "apart: element " + std::to_string(i) + " of row " + std::to_string(r));
    }
}

void no_rows(Device& device) {
  const Array x(SWIRL_FLOAT32, 8, 1);
  Array y(SWIRL_FLOAT32, 8, 3), rstd(SWIRL_FLOAT32, 1, 3), dweight(SWIRL_FLOAT32, 8, 3);
  device.ok(device.k->rmsnorm_forward(device.d, 0, 1, 8, x.data(), 8, SWIRL_FLOAT32, x.f(), 0, 1e-5f,
                                      y.data(), 8, SWIRL_FLOAT32, rstd.f()),
            "rmsnorm_forward");
  device.ok(
      device.k->rmsnorm_backward(device.d, 0, 1, 8, x.data(), 8, SWIRL_FLOAT32, x.f(), 0, x.f(), x.data(), 8,
                                 SWIRL_FLOAT32, y.data(), 8, SWIRL_FLOAT32, 0, dweight.f()),
      "rmsnorm_backward");
  check::close(y, Reference(8, 3), 0, "rmsnorm: no rows, nothing may change");
  check::close(dweight, Reference(8, 3), 0, "rmsnorm: no rows, no sum may change");
}

void run(Device& device) {
  Rng rng(3);
  for (const swirl_dtype x : {SWIRL_FLOAT32, SWIRL_BFLOAT16})
    for (const swirl_dtype y : {SWIRL_FLOAT32, SWIRL_BFLOAT16})
      for (const int accumulate : {0, 1}) {
        one(device, rng, {7, 1, 96, 0, x, y}, accumulate);
        one(device, rng, {70, 1, 37, 1, x, y}, accumulate);
        one(device, rng, {5, 3, 20, 1, x, y}, accumulate);
        one(device, rng, {40, 2, 64, 0, x, y}, accumulate);
        one(device, rng, {19, 1, 896, 0, x, y}, accumulate);
        one(device, rng, {3, 1, 4103, 1, x, y}, accumulate);
      }
  for (const swirl_dtype x : {SWIRL_FLOAT32, SWIRL_BFLOAT16})
    for (const swirl_dtype y : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
      apart(device, rng, {17, 2, 128, 0, x, y}, 3);
      apart(device, rng, {17, 1, 896, 1, x, y}, 8);
      apart(device, rng, {2, 1, 5000, 0, x, y}, 1);
    }
  // On a GPU the dynamic shared memory of this width is 48 KiB, and static memory comes on top.
  one(device, rng, {2, 1, 12288, 0, SWIRL_FLOAT32, SWIRL_FLOAT32}, 0);
  no_rows(device);
}

}  // namespace

int main() { return check::test_main("rmsnorm", run); }
