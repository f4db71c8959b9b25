// Tree attention forward against float64; the sampler's slots; a row alone and among others; repeatability.
#include "random_tree.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;
using check::Tree;

std::string text(const swirl_attention_shape& s, swirl_dtype dtype, const Tree& tree) {
  char out[200];
  std::snprintf(out, sizeof out, "attention heads %d/%d dim %d window %d softcap %g rows %d segments %zu %s",
                s.heads, s.kv_heads, s.head_dim, s.window, double(s.softcap), tree.rows,
                tree.query_begin.size(), check::name(dtype));
  return out;
}

struct Inputs {
  check::Strides ld;
  Array q, k, v;
  // Gaps of 16 bytes keep rows aligned, as the engine's are; gaps of an element or two do not.
  Inputs(Rng& rng, const swirl_attention_shape& s, swirl_dtype dtype, int32_t rows, int32_t slots)
      : Inputs(rng, s, dtype, rows, slots, check::integer(rng, 0, 1) ? 8 : 1) {}
  Inputs(Rng& rng, const swirl_attention_shape& s, swirl_dtype dtype, int32_t rows, int32_t slots,
         int32_t gap)
      : ld{s.heads * s.head_dim + 3 * gap, s.kv_heads * s.head_dim + 5 * gap, s.kv_heads * s.head_dim + gap,
           s.heads * s.head_dim + 2 * gap},
        q(Array::random(rng, dtype, size_t(rows) * ld.q, 2)),
        k(Array::random(rng, dtype, size_t(slots) * ld.k, 2)),
        v(Array::random(rng, dtype, size_t(slots) * ld.v)) {}
};

void forward(Device& device, const swirl_attention_shape& s, const Tree& tree, const Inputs& in, Array* out,
             Array* lse) {
  const check::TreeOnDevice on(tree.view());
  device.ok(device.k->attention_forward(device.d, &s, &on.view, in.q.data(), in.ld.q, in.k.data(), in.ld.k,
                                        in.v.data(), in.ld.v, out->data(), in.ld.o, lse->f(), in.q.dtype()),
            "attention_forward");
}

// Both arrays hold the row at the same place.
bool same_row(const Array& a, const Array& b, size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i)
    if (!(a[i] == b[i])) return false;
  return true;
}

Reference dense(const Array& out, const swirl_attention_shape& s, int32_t rows, int32_t ld) {
  Reference values;
  for (int32_t r = 0; r < rows; ++r)
    for (int32_t i = 0; i < s.heads * s.head_dim; ++i) values.push_back(out[size_t(r) * ld + i]);
  return values;
}

void against_float64(Device& device, Rng& rng, const swirl_attention_shape& s, swirl_dtype dtype,
                     const Tree& tree, int32_t slots) {
  const Inputs in(rng, s, dtype, tree.rows, slots);
  Array out(dtype, size_t(tree.rows) * in.ld.o, 5), lse(SWIRL_FLOAT32, size_t(tree.rows) * s.heads);
  forward(device, s, tree, in, &out, &lse);
  Reference want, want_lse;
  check::ReferenceAttention{s, tree, in.ld}.forward(in.q.values(), in.k.values(), in.v.values(), &want,
                                                    &want_lse);
  check::close(Array::of(SWIRL_FLOAT32, dense(out, s, tree.rows, in.ld.o)), want,
               dtype == SWIRL_FLOAT32 ? 1e-5 : 1e-2, text(s, dtype, tree));
  check::close(lse, want_lse, 2e-6, text(s, dtype, tree) + " lse");
  for (int32_t r = 0; r < tree.rows; ++r)
    check::expect(out[size_t(r + 1) * in.ld.o - 1] == 5,
                  text(s, dtype, tree) + ": wrote between the rows of out");
  if (check::once()) return;
  Array again(dtype, size_t(tree.rows) * in.ld.o, 5), lse_again(SWIRL_FLOAT32, lse.size());
  forward(device, s, tree, in, &again, &lse_again);
  check::expect(out.same_bits(again) && lse.same_bits(lse_again),
                text(s, dtype, tree) + ": a second call gave other bits");
}

// One segment of the tree by itself, even one row of it: the same bits as in the tree.
void rows_alone(Device& device, Rng& rng, const swirl_attention_shape& s, swirl_dtype dtype, const Tree& tree,
                int32_t slots) {
  const Inputs in(rng, s, dtype, tree.rows, slots);
  Array out(dtype, size_t(tree.rows) * in.ld.o), lse(SWIRL_FLOAT32, size_t(tree.rows) * s.heads);
  forward(device, s, tree, in, &out, &lse);
  for (size_t segment = 0; segment < tree.query_begin.size(); ++segment) {
    const int32_t n = tree.query_end[segment] - tree.query_begin[segment];
    if (n == 0) continue;
    // Rows 0 … take - 1 of the segment as a call of its own: the path ends at the last of them.
    const int32_t take = check::integer(rng, 1, n), skip = check::integer(rng, 0, take - 1);
    std::vector<int32_t> path = tree.path(segment);
    path.resize(path.size() - size_t(n - take));
    Tree alone;
    alone.rows = tree.query_begin[segment] + take;
    alone.query_begin = {tree.query_begin[segment] + skip};
    alone.query_end = {tree.query_begin[segment] + take};
    for (const int32_t slot : path) {  // the same slots, cut into other intervals
      if (!alone.path_end.empty() && alone.path_end.back() == slot && check::integer(rng, 0, 7) != 0) {
        ++alone.path_end.back();
      } else {
        alone.path_begin.push_back(slot);
        alone.path_end.push_back(slot + 1);
      }
    }
    alone.path_offset = {0, int32_t(alone.path_begin.size())};
    alone.path_length = {int32_t(path.size())};
    alone.position.assign(size_t(alone.rows), 0);  // of rows in no segment: nobody looks
    for (int32_t i = skip; i < take; ++i)
      alone.position[size_t(tree.query_begin[segment] + i)] = int32_t(path.size()) - take + i;
    Array out_alone(dtype, size_t(tree.rows) * in.ld.o),
        lse_alone(SWIRL_FLOAT32, size_t(tree.rows) * s.heads);
    forward(device, s, alone, in, &out_alone, &lse_alone);
    for (int32_t row = alone.query_begin[0]; row < alone.query_end[0]; ++row) {
      check::expect(same_row(out_alone, out, size_t(row) * in.ld.o, size_t(s.heads * s.head_dim)) &&
                        same_row(lse_alone, lse, size_t(row) * s.heads, size_t(s.heads)),
                    text(s, dtype, tree) + ": row " + std::to_string(row) + " alone has other bits");
    }
  }
}

// The sampler's layout: sequences of one row each that share a prompt's slots, and their own scattered slots.
Tree decode_step(Rng& rng, int sequences, int prompt, int slots) {
  std::vector<int32_t> order(static_cast<size_t>(slots - prompt));
  for (size_t i = 0; i < order.size(); ++i) order[i] = prompt + int32_t(i);
  std::shuffle(order.begin(), order.end(), rng);
  Tree tree;
  tree.rows = sequences;
  tree.slots = slots;
  size_t next = 0;
  for (int s = 0; s < sequences; ++s) {
    tree.query_begin.push_back(s);
    tree.query_end.push_back(s + 1);
    tree.path_begin.push_back(0);
    tree.path_end.push_back(prompt);
    const int own = check::integer(rng, 1, 90);
    for (int i = 0; i < own; ++i) {
      tree.path_begin.push_back(order[next]);
      tree.path_end.push_back(order[next] + 1);
      ++next;
    }
    tree.path_offset.push_back(int32_t(tree.path_begin.size()));
    tree.path_length.push_back(prompt + own);
    tree.position.push_back(prompt + own - 1);
  }
  return tree;
}

// Every row of a long segment as a segment of its own, its keys moved to slots scattered over the cache, as the
// sampler meets them: the bits that the trainer computes.
void decoded(Device& device, Rng& rng, const swirl_attention_shape& s, swirl_dtype dtype, int32_t rows) {
  const Tree line = check::random_tree(rng, 1, 1, {rows});
  const int32_t slots = 2 * rows, narrow = s.kv_heads * s.head_dim;
  const Inputs in(rng, s, dtype, rows, rows);
  Inputs moved(rng, s, dtype, rows, slots);
  std::vector<int32_t> order(static_cast<size_t>(slots));  // slot of each position
  for (size_t i = 0; i < order.size(); ++i) order[i] = int32_t(i);
  std::shuffle(order.begin(), order.end(), rng);
  std::sort(order.begin(), order.begin() + rows / 3);  // some stay neighbours
  for (int32_t p = 0; p < rows; ++p) {
    for (int32_t c = 0; c < s.heads * s.head_dim; ++c)
      moved.q.set(size_t(p) * moved.ld.q + c, in.q[size_t(p) * in.ld.q + c]);
    for (int32_t c = 0; c < narrow; ++c) {
      moved.k.set(size_t(order[size_t(p)]) * moved.ld.k + c, in.k[size_t(p) * in.ld.k + c]);
      moved.v.set(size_t(order[size_t(p)]) * moved.ld.v + c, in.v[size_t(p) * in.ld.v + c]);
    }
  }
  Tree steps;
  steps.rows = rows;
  steps.slots = slots;
  for (int32_t r = 0; r < rows; ++r) {
    steps.query_begin.push_back(r);
    steps.query_end.push_back(r + 1);
    for (int32_t p = 0; p <= r; ++p) {
      if (p > 0 && steps.path_end.back() == order[size_t(p)]) {
        ++steps.path_end.back();
      } else {
        steps.path_begin.push_back(order[size_t(p)]);
        steps.path_end.push_back(order[size_t(p)] + 1);
      }
    }
    steps.path_offset.push_back(int32_t(steps.path_begin.size()));
    steps.path_length.push_back(r + 1);
    steps.position.push_back(r);
  }
  Array out(dtype, size_t(rows) * in.ld.o), lse(SWIRL_FLOAT32, size_t(rows) * s.heads);
  Array out_steps(dtype, size_t(rows) * moved.ld.o), lse_steps(SWIRL_FLOAT32, lse.size());
  forward(device, s, line, in, &out, &lse);
  forward(device, s, steps, moved, &out_steps, &lse_steps);
  int32_t other = 0;
  for (int32_t r = 0; r < rows; ++r)
    for (int32_t c = 0; c < s.heads * s.head_dim; ++c)
      other += out[size_t(r) * in.ld.o + c] != out_steps[size_t(r) * moved.ld.o + c];
  check::expect(other == 0 && lse.same_bits(lse_steps),
                text(s, dtype, line) + ": decoded one row at a time from scattered slots, " +
                    std::to_string(other) + " elements differ");
}

// GPUs with little shared memory take smaller tiles, with the same bits.
void on_smaller_gpus(Device& device, Rng& rng, swirl_dtype dtype, int dim) {
  const swirl_attention_shape shape = {6, 2, dim, 50, float(std::pow(dim, -0.5)), 0};
  const Tree tree = check::random_tree(rng, 3, 2, {20, 40});
  const Inputs in(rng, shape, dtype, tree.rows, tree.rows);
  const std::string chosen = std::getenv("SWIRL_EMULATOR_SHARED");
  {  // uploads the inputs, on the device that outlives them
    Array out(dtype, size_t(tree.rows) * in.ld.o), lse(SWIRL_FLOAT32, size_t(tree.rows) * shape.heads);
    forward(device, shape, tree, in, &out, &lse);
  }
  const auto run_on = [&](const char* kibibytes) {
    setenv("SWIRL_EMULATOR_SHARED", kibibytes, 1);
    Device other(0);
    Array out(dtype, size_t(tree.rows) * in.ld.o, 5), lse(SWIRL_FLOAT32, size_t(tree.rows) * shape.heads);
    forward(other, shape, tree, in, &out, &lse);
    Reference both = out.values();
    for (size_t i = 0; i < lse.size(); ++i) both.push_back(lse[i]);
    return both;
  };
  const Reference large = run_on("227");
  for (const char* kibibytes : {"163", "99"})
    check::expect(run_on(kibibytes) == large,
                  text(shape, dtype, tree) + ": other bits with " + kibibytes + " KiB of shared memory");
  setenv("SWIRL_EMULATOR_SHARED", chosen.c_str(), 1);
}

void run(Device& device) {
  Rng rng(11);
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    for (const int dim : {16, 20, 32, 64, 96, 128, 256}) {
      const swirl_attention_shape shape = {6, 2, dim, 0, float(std::pow(dim, -0.5)), 0};
      const Tree tree = check::random_tree(rng, 4, 3, {0, 1, 1, 5, 23});
      against_float64(device, rng, shape, dtype, tree, tree.rows);
      if (dim <= 64 && !check::few_shapes()) rows_alone(device, rng, shape, dtype, tree, tree.rows);
      if (dim >= 96) {
        const Tree wide = check::random_tree(rng, 3, 2, {20, 40});  // several tiles and blocks
        against_float64(device, rng, shape, dtype, wide, wide.rows);
      }
      const char* order = std::getenv("SWIRL_EMULATOR_ORDER");
      if (dim >= 128 && check::emulated() && order != nullptr && order == std::string("forward"))
        on_smaller_gpus(device, rng, dtype, dim);
    }
    if (check::few_shapes()) {
      const swirl_attention_shape shape = {3, 1, 32, 7, 0.2f, 5};
      const Tree above = check::random_tree(rng, 4, 2, {0, 1, 30, 70}, 2);
      against_float64(device, rng, shape, dtype, above, above.slots);
      against_float64(device, rng, {3, 1, 32, 0, 0.2f, 0}, dtype, decode_step(rng, 5, 150, 700), 700);
      continue;
    }
    for (const int window : {0, 1, 7, 64, 100}) {
      for (const float softcap : {0.0f, 5.0f}) {
        const swirl_attention_shape shape = {3, 1, 32, window, 0.2f, softcap};
        const Tree tree = check::random_tree(rng, 4, 2, {0, 1, 30, 70, 150});
        against_float64(device, rng, shape, dtype, tree, tree.rows);
        rows_alone(device, rng, shape, dtype, tree, tree.rows);
        const Tree step = decode_step(rng, 9, 150, 1200);
        against_float64(device, rng, shape, dtype, step, 1200);
        rows_alone(device, rng, shape, dtype, step, 1200);
      }
    }
    const swirl_attention_shape wide = {4, 4, 64, 0, 0.125f, 0};  // no grouping; one long segment
    const Tree above =
        check::random_tree(rng, 4, 3, {0, 1, 30, 70}, 2);  // keys whose rows are not in this call
    against_float64(device, rng, wide, dtype, above, above.slots);
    rows_alone(device, rng, wide, dtype, above, above.slots);
    decoded(device, rng, {6, 2, 64, 0, 0.125f, 0}, dtype, 150);
    decoded(device, rng, {2, 2, 128, 40, 0.1f, 5}, dtype, 90);
    const Tree line = check::random_tree(rng, 1, 1, {333});
    against_float64(device, rng, wide, dtype, line, line.rows);
    rows_alone(device, rng, wide, dtype, line, line.rows);
  }
  const swirl_attention_shape odd = {3, 2, 16, 0, 1, 0};
  const Tree one = check::random_tree(rng, 1, 1, {1});
  const swirl_tree view = one.view();
  check::expect(device.k->attention_forward(device.d, &odd, &view, nullptr, 48, nullptr, 32, nullptr, 32,
                                            nullptr, 48, nullptr, SWIRL_FLOAT32) == SWIRL_INVALID,
                "attention: 3 heads over 2 key heads must be refused");
}

}  // namespace

int main() { return check::test_main("attention_forward", run); }
