// Embedding lookup and its gradient: repeated tokens add up in row order, whatever the threads.
#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

// often: one row in how many has the token 5.
void one(Device& device, Rng& rng, swirl_dtype dtype, int rows, int width, int often) {
  const int vocab = 60;
  const Array table = Array::random(rng, dtype, size_t(vocab) * width);
  std::vector<int32_t> tokens(static_cast<size_t>(rows));
  for (int32_t& t : tokens)
    t = check::integer(rng, 0, often - 1) == 0 ? 5 : check::integer(rng, 0, vocab - 1);
  const check::Ints tokens_there(tokens);
  const float scale = 2;  // a power of two: fused or not, the same bits
  Array out(SWIRL_FLOAT32, size_t(rows) * width);
  device.ok(device.k->embedding_forward(device.d, rows, width, tokens_there.data(), table.data(), dtype,
                                        scale, out.f()),
            "embedding_forward");
  Reference want;
  for (const int32_t t : tokens)
    for (int i = 0; i < width; ++i) want.push_back(table[size_t(t) * width + i] * scale);
  check::close(out, want, 1e-7, "embedding_forward");

  Array gradient = Array::random(rng, SWIRL_FLOAT32, size_t(rows) * width);
  const Array before = Array::random(rng, SWIRL_FLOAT32, table.size());
  Array sums(before), in_order(before);
  device.ok(device.k->embedding_backward(device.d, rows, width, tokens.data(), gradient.f(), scale, sums.f()),
            "embedding_backward");
  Reference total = before.values();
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < width; ++i) {
      const size_t at = size_t(tokens[size_t(r)]) * width + i;
      total[at] += gradient[size_t(r) * width + i] * scale;
      in_order.set(at, float(in_order[at]) + float(gradient[size_t(r) * width + i]) * scale);
    }
  check::close(sums, total, 1e-6, "embedding_backward");
  check::expect(sums.same_bits(in_order), "embedding_backward: rows of a token are not added in order");
}

void run(Device& device) {
  Rng rng(17);
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    for (const int width : {1, 37, 576}) one(device, rng, dtype, 211, width, 4);
    one(device, rng, dtype, 100, 33, 1);  // one token has every row
    one(device, rng, dtype, 1, 896, 4);
    one(device, rng, dtype, 0, 8, 4);
  }
}

}  // namespace

int main() { return check::test_main("embedding", run); }
