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
  const int32_t rows = tree.rows, wide = s.heads * s.head_dim, narrow = s.kv_heads * s.head_dim;
  const check::Strides ld = {wide + 2, narrow + 4, narrow + 3, wide + 1};
  const Array q = Array::random(rng, dtype, size_t(rows) * ld.q, 1.5),
              k = Array::random(rng, dtype, size_t(rows) * ld.k, 1.5);
  const Array v = Array::random(rng, dtype, size_t(rows) * ld.v);
  const Array dout_dense = Array::random(rng, dtype, size_t(rows) * wide);
  const int32_t lddo = wide + 6;
  const Array dout = spread(dtype, dout_dense, rows, wide, lddo);
  Array out(dtype, size_t(rows) * ld.o), lse(SWIRL_FLOAT32, size_t(rows) * s.heads);
  const swirl_tree view = tree.view();
  device.ok(device.k->attention_forward(device.d, &s, &view, q.data(), ld.q, k.data(), ld.k, v.data(), ld.v,
                                        out.data(), ld.o, lse.f(), dtype),
            "attention_forward");
  Array dq(dtype, q.size(), 9), dk(dtype, k.size(), 9), dv(dtype, v.size(), 9);
  const auto backward = [&](Array* to_q, Array* to_k, Array* to_v) {
    device.ok(device.k->attention_backward(device.d, &s, &view, rows, q.data(), ld.q, k.data(), ld.k,
                                           v.data(), ld.v, out.data(), ld.o, lse.f(), dout.data(), lddo,
                                           to_q->data(), to_k->data(), to_v->data(), dtype),
              "attention_backward");
  };
  backward(&dq, &dk, &dv);
  char what[200];
  std::snprintf(what, sizeof what,
                "attention_backward heads %d/%d dim %d window %d softcap %g rows %d segments %zu %s ",
                s.heads, s.kv_heads, s.head_dim, s.window, double(s.softcap), rows, tree.query_begin.size(),
                check::name(dtype));
  const check::ReferenceAttention reference{s, tree, ld};
  Reference want_q, want_k, want_v;
  reference.backward(q.values(), k.values(), v.values(), dout_dense.values(), &want_q, &want_k, &want_v);
  const double tolerance = dtype == SWIRL_FLOAT32 ? 2e-5 : 4e-2;
  const auto compare = [&](const Array& got, const Reference& want, int32_t columns, int32_t stride,
                           const char* name) {
    check::close(Array::of(SWIRL_FLOAT32, part(got.values(), rows, columns, stride)),
                 part(want, rows, columns, stride), tolerance, std::string(what) + name, 0.1);
    for (int32_t r = 0; r < rows; ++r)
      check::expect(got[size_t(r + 1) * stride - 1] == 9, std::string(what) + name + ": wrote between rows");
  };
  compare(dq, want_q, wide, ld.q, "dq");
  compare(dk, want_k, narrow, ld.k, "dk");
  compare(dv, want_v, narrow, ld.v, "dv");
  Array dq2(dtype, q.size(), 9), dk2(dtype, k.size(), 9), dv2(dtype, v.size(), 9);
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
  // The gaps between rows have no gradient; give them none.
  const auto clean = [&](const Array& got, int32_t columns, int32_t stride) {
    Array out_clean(SWIRL_FLOAT32, got.size());
    for (int32_t r = 0; r < rows; ++r)
      for (int32_t c = 0; c < columns; ++c)
        out_clean.set(size_t(r) * stride + c, got[size_t(r) * stride + c]);
    return out_clean;
  };
  const double bound = dtype == SWIRL_FLOAT32 ? 1e-5 : 2e-2;
  check::finite_differences(
      q0, [&](const Reference& x) { return loss(x, k0, v0); }, clean(dq, wide, ld.q), q.size() / 23, bound,
      std::string(what) + "dq", 0.1);
  check::finite_differences(
      k0, [&](const Reference& x) { return loss(q0, x, v0); }, clean(dk, narrow, ld.k), k.size() / 23, bound,
      std::string(what) + "dk", 0.1);
  check::finite_differences(
      v0, [&](const Reference& x) { return loss(q0, k0, x); }, clean(dv, narrow, ld.v), v.size() / 23, bound,
      std::string(what) + "dv", 0.1);
}

void run(Device& device) {
  Rng rng(13);
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    for (const int dim : {16, 20, 32, 64, 96, 128, 256}) {
      const swirl_attention_shape shape = {4, 2, dim, 0, float(std::pow(dim, -0.5)), 0};
      check_case(device, rng, shape, dtype, check::random_tree(rng, 4, 3, {0, 1, 1, 3, 9}), dim <= 32);
    }
    for (const int window : {0, 1, 7, 40, 64}) {
      for (const float softcap : {0.0f, 4.0f}) {
        const swirl_attention_shape shape = {3, 1, 16, window, 0.3f, softcap};
        check_case(device, rng, shape, dtype, check::random_tree(rng, 3, 2, {0, 1, 4, 11}), true);
        check_case(device, rng, shape, dtype, check::random_tree(rng, 4, 2, {0, 1, 30, 70, 130}), false);
      }
    }
    check_case(device, rng, {4, 4, 64, 0, 0.125f, 0}, dtype, check::random_tree(rng, 1, 1, {211}), false);
  }
}

}  // namespace

int main() { return check::test_main("attention_backward", run); }
