// An adapter's part of the forward and the backward: low-rank products in addition to those of the base.
#include "model.h"

namespace swirl {

void Model::adapt(Group which, int32_t l, const Activations& a, int32_t rows, const void* x,
                  std::initializer_list<Output> outputs) {
  if (!a.adapter || !a.adapter->adapts(l, which)) return;
  const Adapter& adapter = *a.adapter;
  const AdaptedGroup& g = adapter.group(l, which);
  void* low = a.layers[l].low[static_cast<size_t>(which)];
  product(false, true, rows, g.ranks, g.in, x, g.in, adapter.matrix(g.a), g.in, 0, a.low, g.ranks,
          SWIRL_FLOAT32, "adapter, A");
  device_.check(device_.kernels().convert_rows(device_.handle(), rows, g.ranks, a.low, g.ranks,
                                               adapter.factor(g), low, g.ranks, dtype_),
                "adapter, scale");
  for (const AdaptedGroup::Part& part : g.parts) {
    const Output* to = outputs.begin();
    for (const Output& output : outputs) {
      if (output.first <= part.first_out) to = &output;
    }
    const size_t column = static_cast<size_t>(part.first_out - to->first) * size_of(to->type);
    product(false, true, rows, part.out, part.rank, at(low, part.first_rank), g.ranks, adapter.matrix(part.b),
            part.rank, 1, static_cast<uint8_t*>(to->data) + column, to->ld, to->type, "adapter, B");
  }
}

void Model::adapt_backward(Group which, int32_t l, const Activations& a, int32_t rows, const void* dy,
                           int32_t lddy, const void* x, void* dx, swirl_dtype dx_type) {
  if (!a.adapter || !a.adapter->adapts(l, which)) return;
  const Adapter& adapter = *a.adapter;
  const AdaptedGroup& g = adapter.group(l, which);
  void* low = a.layers[l].low[static_cast<size_t>(which)];
  for (const AdaptedGroup::Part& part : g.parts) {
    const void* slope = at(const_cast<void*>(dy), part.first_out);
    product(true, false, part.out, part.rank, rows, slope, lddy, at(low, part.first_rank), g.ranks, 1,
            adapter.gradient(part.b), part.rank, SWIRL_FLOAT32, "adapter, gradient of B");
    product(false, false, rows, part.rank, part.out, slope, lddy, adapter.matrix(part.b), part.rank, 0,
            a.low + part.first_rank, g.ranks, SWIRL_FLOAT32, "adapter, gradient of A x");
  }
  device_.check(device_.kernels().convert_rows(device_.handle(), rows, g.ranks, a.low, g.ranks,
                                               adapter.factor(g), a.dlow, g.ranks, dtype_),
                "adapter, scale");
  product(true, false, g.ranks, g.in, rows, a.dlow, g.ranks, x, g.in, 1, adapter.gradient(g.a), g.in,
          SWIRL_FLOAT32, "adapter, gradient of A");
  if (!dx) return;
  product(false, false, rows, g.in, g.ranks, a.dlow, g.ranks, adapter.matrix(g.a), g.in, 1, dx, g.in, dx_type,
          "adapter, input gradient");
}

}  // namespace swirl
