#include "head.h"

#include <algorithm>

#include "error.h"

namespace swirl {
namespace {

// Bytes of logits per chunk: small compared with other memory, unless that leaves too few rows. Every chunk reads
// and writes the whole weight gradient, which takes longer than the product itself below 1/8 of the rows that
// fill the device (about 900 rows on an H100, 100 on a CPU core pair).
constexpr size_t kLogitBytes = size_t(64) << 20;

}  // namespace

Head::Head(Device& device, const ModelConfig& config, swirl_dtype dtype, Parameters& parameters, Model& model)
    : device_(device),
      c_(config),
      dtype_(dtype),
      p_(parameters),
      model_(model),
      full_rows_(device.info().batch_rows) {}

int32_t Head::chunk_rows(int32_t rows) const {
  const auto fit = static_cast<int32_t>(kLogitBytes / (sizeof(float) * c_.vocab));
  return std::max(1, std::min({rows, full_rows_ / 2, std::max(fit, full_rows_ / 8)}));
}

Head::Scratch Head::plan(Arena& arena, int32_t rows, int32_t labels, bool backward) const {
  Scratch s;
  s.chunk = chunk_rows(rows);
  const size_t n = s.chunk;
  s.rows = arena.take<float>(n * c_.width);
  s.normed = arena.take_bytes(n * c_.width * size_of(dtype_));
  s.rstd = arena.take<float>(n);
  s.logits = arena.take<float>(n * c_.vocab);
  s.logprob = arena.take<float>(labels);
  s.lse = arena.take<float>(n);
  s.entropy = arena.take<float>(n);
  s.index = arena.take<int32_t>(n);
  s.offset = arena.take<int32_t>(n + 1);
  s.target = arena.take<int32_t>(labels);
  if (backward) {
    s.dlogits = dtype_ == SWIRL_FLOAT32 ? s.logits : arena.take_bytes(n * c_.vocab * size_of(dtype_));
    s.dnormed = arena.take<float>(n * c_.width);
    s.drows = arena.take<float>(n * c_.width);
    s.coefficient = arena.take<float>(labels);
    s.entropy_coefficient = arena.take<float>(n);
  }
  return s;
}

Head::Result Head::run(const BatchLists& batch, const Activations& a, const Scratch& s, float temperature,
                       const Coefficients* coefficients, bool entropy_term) {
  const swirl_kernels& k = device_.kernels();
  swirl_device* device = device_.handle();
  const auto labelled = static_cast<int32_t>(batch.label_row.size());
  const int32_t width = c_.width, vocab = c_.vocab;
  Result result;
  result.logprob.resize(batch.labels());
  result.entropy.resize(labelled);
  std::vector<int32_t> offset;
  std::vector<float> coefficient(batch.labels()), entropy_coefficient(entropy_term ? s.chunk : 0);

  for (int32_t begin = 0; begin < labelled; begin += s.chunk) {
    const int32_t rows = std::min(s.chunk, labelled - begin);
    const int32_t first = batch.label_offset[begin], last = batch.label_offset[begin + rows];
    offset.assign(batch.label_offset.begin() + begin, batch.label_offset.begin() + begin + rows + 1);
    for (auto& o : offset) o -= first;
    device_.upload(s.index, &batch.label_row[begin], rows * sizeof(int32_t));
    device_.upload(s.offset, offset.data(), (rows + 1) * sizeof(int32_t));
    device_.upload(s.target, &batch.target[first], (last - first) * sizeof(int32_t));
    const swirl_labels labels{rows, last - first, s.offset, s.target};

    device_.check(k.gather_rows(device, rows, width, s.index, a.output, width, s.rows, width, SWIRL_FLOAT32),
                  "gather");
    model_.final_norm(rows, s.rows, s.normed, s.rstd);
    model_.logits(rows, s.normed, s.logits);
    device_.check(k.logprob_forward(device, vocab, s.logits, c_.logit_softcap, temperature, &labels,
                                    s.logprob, s.lse, s.entropy),
                  "log-prob");
    device_.download(&result.logprob[first], s.logprob, (last - first) * sizeof(float));
    device_.download(&result.entropy[begin], s.entropy, rows * sizeof(float));
    if (!coefficients) continue;

    (*coefficients)({begin, begin + rows, first, last, &result.logprob[first], &result.entropy[begin],
                     coefficient.data(), entropy_term ? entropy_coefficient.data() : nullptr});
    device_.upload(s.coefficient, coefficient.data(), (last - first) * sizeof(float));
    if (entropy_term) {
      device_.upload(s.entropy_coefficient, entropy_coefficient.data(), rows * sizeof(float));
    }
    device_.check(k.logprob_backward(device, vocab, s.logits, c_.logit_softcap, temperature, &labels,
                                     s.coefficient, s.lse, entropy_term ? s.entropy : nullptr,
                                     entropy_term ? s.entropy_coefficient : nullptr, s.dlogits, dtype_),
                  "log-prob backward");
    model_.weight_gradient(a, vocab, width, rows, s.dlogits, s.normed, p_.head(),
                           "language-model head, weight gradient");
    model_.product(false, false, rows, width, vocab, s.dlogits, vocab, p_.matrix(p_.head()), width, 0,
                   s.dnormed, width, SWIRL_FLOAT32, "language-model head, input gradient");
    model_.norm_backward(rows, s.rows, p_.final_norm(), s.rstd, s.dnormed, SWIRL_FLOAT32, s.drows,
                         SWIRL_FLOAT32, false, model_.gradient(a, p_.final_norm()));
    device_.check(k.scatter_add_rows(device, rows, width, s.index, s.drows, width, a.gradient, width),
                  "scatter");
  }
  return result;
}

}  // namespace swirl
