// Tree attention backward against the float64 gradient and against float64 finite differences; repeatability.
#include "random_tree.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;
using check::Tree;

// Dense [rows, columns] as rows of stride ld.
Array spread(swirl_dtype dtype, const Array& dense, int32_t rows, int32_t columns, int32_t ld) {
  Array out(dtype, size_t(rows) * ld);
  for (int32_t r = 0; r < rows; ++r)
    for (int32_t c = 0; c < columns; ++c) out.set(size_t(r) * ld + c, dense[size_t(r) * columns + c]);
  return out;
}

// Only the [rows, columns] part of a strided array.
Reference part(const Reference& x, int32_t rows, int32_t columns, int32_t ld) {
  Reference out;
  for (int32_t r = 0; r < rows; ++r)
    for (int32_t c = 0; c < columns; ++c) out.push_back(x[size_t(r) * ld + c]);
  return out;
}

void check_case(Device& device, Rng& rng, const swirl_attention_shape& s, swirl_dtype dtype, const Tree& tree,
                bool differences) {
  const int32_t rows = tree.rows, slots = tree.slots, wide = s.heads * s.head_dim,
                narrow = s.kv_heads * s.head_dim;
  const int32_t gap = check::integer(rng, 0, 1) ? 8 : 1;  // rows that are aligned, and rows that are not
  const check::Strides ld = {wide + 2 * gap, narrow + 4 * gap, narrow + 3 * gap, wide + gap};
  const Array q = Array::random(rng, dtype, size_t(rows) * ld.q, 1.5),
              k = Array::random(rng, dtype, size_t(slots) * ld.k, 1.5);
  const Array v = Array::random(rng, dtype, size_t(slots) * ld.v);
  const Array dout_dense = Array::random(rng, dtype, size_t(rows) * wide);
  const int32_t lddo = wide + 6 * gap;
  const Array dout = spread(dtype, dout_dense, rows, wide, lddo);
  Array out(dtype, size_t(rows) * ld.o), lse(SWIRL_FLOAT32, size_t(rows) * s.heads);
  const check::TreeOnDevice on(tree.view());
  device.ok(device.k->attention_forward(device.d, &s, &on.view, q.data(), ld.q, k.data(), ld.k, v.data(),
                                        ld.v, out.data(), ld.o, lse.f(), dtype),
            "attention_forward");
  // dk and dv add to what is there.
  const Array before_k = Array::random(rng, SWIRL_FLOAT32, size_t(slots) * narrow),
              before_v = Array::random(rng, SWIRL_FLOAT32, size_t(slots) * narrow);
  Array dq(dtype, q.size(), 9), dk(before_k), dv(before_v);
  const auto backward = [&](Array* to_q, Array* to_k, Array* to_v) {
    device.ok(device.k->attention_backward(device.d, &s, &on.view, q.data(), ld.q, k.data(), ld.k, v.data(),
                                           ld.v, out.data(), ld.o, lse.f(), dout.data(), lddo, to_q->data(),
                                           to_k->f(), to_v->f(), dtype),
              "attention_backward");
  };
  backward(&dq, &dk, &dv);
  char what[200];
  std::snprintf(
      what, sizeof what,
      "attention_backward heads %d/%d dim %d window %d softcap %g rows %d slots %d segments %zu %s ", s.heads,
      s.kv_heads, s.head_dim, s.window, double(s.softcap), rows, slots, tree.query_begin.size(),
      check::name(dtype));
  const check::ReferenceAttention reference{s, tree, ld};
  Reference want_q, want_k, want_v;
  reference.backward(q.values(), k.values(), v.values(), dout_dense.values(), &want_q, &want_k, &want_v);
  const double tolerance = dtype == SWIRL_FLOAT32 ? 2e-5 : 4e-2;
  check::close(Array::of(SWIRL_FLOAT32, part(dq.values(), rows, wide, ld.q)), part(want_q, rows, wide, ld.q),
               tolerance, std::string(what) + "dq", 0.1);
  for (int32_t r = 0; r < rows; ++r)
    check::expect(dq[size_t(r + 1) * ld.q - 1] == 9, std::string(what) + "dq: wrote between rows");
  const auto added = [](const Array& after, const Array& before) {
    Reference sum = after.values();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] -= before[i];
    return sum;
  };
  const Reference got_k = added(dk, before_k), got_v = added(dv, before_v);
  check::close(Array::of(SWIRL_FLOAT32, got_k), want_k, tolerance, std::string(what) + "dk", 0.1);
  check::close(Array::of(SWIRL_FLOAT32, got_v), want_v, tolerance, std::string(what) + "dv", 0.1);
  if (check::once()) return;
  Array dq2(dtype, q.size(), 9), dk2(before_k), dv2(before_v);
  backward(&dq2, &dk2, &dv2);
  check::expect(dq.same_bits(dq2) && dk.same_bits(dk2) && dv.same_bits(dv2),
                std::string(what) + ": other bits at a second call");
  if (!differences) return;
  const Reference q0 = q.values(), k0 = k.values(), v0 = v.values(), g = dout_dense.values();
  const auto loss = [&](const Reference& a, const Reference& b, const Reference& c) {
    Reference o, l;
    reference.forward(a, b, c, &o, &l);
    double total = 0;
    for (size_t i = 0; i < o.size(); ++i) total += o[i] * g[i];
    return total;
  };
  // A dense gradient at the places of a strided operand; the gaps between rows have none.
  const auto placed = [&](const Reference& dense, int32_t columns, int32_t from, int32_t stride,
                          size_t size) {
    Array out_placed(SWIRL_FLOAT32, size);
    for (size_t r = 0; r * stride < size; ++r)
      for (int32_t c = 0; c < columns; ++c) out_placed.set(r * stride + c, dense[r * from + c]);
    return out_placed;
  };
  const double bound = dtype == SWIRL_FLOAT32 ? 1e-5 : 2e-2;
  check::finite_differences(
      q0, [&](const Reference& x) { return loss(x, k0, v0); },
      placed(dq.values(), wide, ld.q, ld.q, q.size()), q.size() / 23 + 1, bound, std::string(what) + "dq",
      0.1);
  check::finite_differences(
      k0, [&](const Reference& x) { return loss(q0, x, v0); }, placed(got_k, narrow, narrow, ld.k, k.size()),
      k.size() / 23 + 1, bound, std::string(what) + "dk", 0.1);
  check::finite_differences(
      v0, [&](const Reference& x) { return loss(q0, k0, x); }, placed(got_v, narrow, narrow, ld.v, v.size()),
      v.size() / 23 + 1, bound, std::string(what) + "dv", 0.1);
}

void run(Device& device) {
  Rng rng(13);
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    for (const int dim : {16, 20, 32, 64, 96, 128, 256}) {
      const swirl_attention_shape shape = {4, 2, dim, 0, float(std::pow(dim, -0.5)), 0};
      check_case(device, rng, shape, dtype, check::random_tree(rng, 4, 3, {0, 1, 1, 3, 9}), dim <= 32);
      // Several tiles of every size, and chunks of rows.
      if (dim >= 96) check_case(device, rng, shape, dtype, check::random_tree(rng, 3, 2, {20, 40}), false);
    }
    if (check::few_shapes()) {
      check_case(device, rng, {3, 1, 16, 7, 0.3f, 4}, dtype, check::random_tree(rng, 4, 2, {0, 1, 30, 70}),
                 false);
      check_case(device, rng, {4, 2, 32, 9, 0.2f, 0}, dtype, check::random_tree(rng, 3, 2, {30, 70}, 1),
                 false);
      continue;
    }
    for (const int window : {0, 1, 7, 40, 64}) {
      for (const float softcap : {0.0f, 4.0f}) {
        const swirl_attention_shape shape = {3, 1, 16, window, 0.3f, softcap};
        check_case(device, rng, shape, dtype, check::random_tree(rng, 3, 2, {0, 1, 4, 11}), true);
        check_case(device, rng, shape, dtype, check::random_tree(rng, 4, 2, {0, 1, 30, 70, 130}), false);
      }
    }
    check_case(device, rng, {4, 4, 64, 0, 0.125f, 0}, dtype, check::random_tree(rng, 1, 1, {211}), false);
    for (const int trunk : {1, 2}) {  // keys whose rows are not in this call
      for (const int window : {0, 9, 90}) {
        const swirl_attention_shape shape = {4, 2, 32, window, 0.2f, 0};
        check_case(device, rng, shape, dtype, check::random_tree(rng, 3, 2, {0, 1, 3, 5}, trunk), true);
        check_case(device, rng, shape, dtype, check::random_tree(rng, 3, 2, {30, 70, 130}, trunk), false);
      }
    }
  }
}

}  // namespace

int main() { return check::test_main("attention_backward", run); }
