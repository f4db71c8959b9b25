// Rotary positions against float64; the inverse turns back and is the gradient (the rotation is orthogonal).
#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

void one(Device& device, Rng& rng, swirl_dtype dtype, int rows, int heads, int dim, int gap) {
  const int ld = heads * dim + gap, positions = 50;
  Array cosine(SWIRL_FLOAT32, size_t(positions) * (dim / 2)), sine(SWIRL_FLOAT32, cosine.size());
  for (int p = 0; p < positions; ++p)
    for (int i = 0; i < dim / 2; ++i) {
      const double angle = p * std::pow(10000.0, -2.0 * i / dim);
      cosine.set(size_t(p) * (dim / 2) + i, std::cos(angle));
      sine.set(size_t(p) * (dim / 2) + i, std::sin(angle));
    }
  std::vector<int32_t> position(static_cast<size_t>(rows));
  for (int32_t& p : position) p = check::integer(rng, 0, positions - 1);
  const check::Ints position_there(position);
  const Array before = Array::random(rng, dtype, size_t(rows) * ld);
  for (const int inverse : {0, 1}) {
    Array x(before);
    device.ok(device.k->rope(device.d, rows, heads, dim, x.data(), ld, dtype, position_there.data(),
                             cosine.f(), sine.f(), inverse),
              "rope");
    Reference want = before.values();
    for (int r = 0; r < rows; ++r)
      for (int h = 0; h < heads; ++h)
        for (int i = 0; i < dim / 2; ++i) {
          const size_t low = size_t(r) * ld + h * dim + i, high = low + dim / 2;
          const size_t at = size_t(position[size_t(r)]) * (dim / 2) + i;
          const double c = cosine[at], s = inverse ? -sine[at] : sine[at];
          want[low] = before[low] * c - before[high] * s;
          want[high] = before[low] * s + before[high] * c;
        }
    const std::string what = std::string("rope dim ") + std::to_string(dim) + " " + check::name(dtype);
    check::close(x, want, dtype == SWIRL_FLOAT32 ? 3e-7 : 4e-3, what);
    device.ok(device.k->rope(device.d, rows, heads, dim, x.data(), ld, dtype, position_there.data(),
                             cosine.f(), sine.f(), !inverse),
              "rope");
    check::close(x, before.values(), dtype == SWIRL_FLOAT32 ? 1e-6 : 2e-2, what + " there and back");
  }
}

void run(Device& device) {
  Rng rng(5);
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16})
    for (const int dim : {2, 16, 20, 64, 96, 128, 256})
      for (const int gap : {7, 16}) one(device, rng, dtype, check::integer(rng, 1, 60), 3, dim, gap);
  one(device, rng, SWIRL_BFLOAT16, 0, 3, 16, 0);
  one(device, rng, SWIRL_BFLOAT16, 5, 1, 64, 0);
  Array x(SWIRL_FLOAT32, 3, 1);
  const check::Ints zero({0});
  check::expect(device.k->rope(device.d, 1, 1, 3, x.data(), 3, SWIRL_FLOAT32, zero.data(), x.f(), x.f(), 0) ==
                    SWIRL_INVALID,
                "rope: an odd head_dim must be refused");
}

}  // namespace

int main() { return check::test_main("rope", run); }
