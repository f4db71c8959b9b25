#include <algorithm>
#include <cmath>

#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/logprob.h"
#include "native/cpu/ops.h"

#define SWIRL_BODY "native/cpu/sample.inl"
#include "native/cpu/each_isa.h"

namespace swirl {
namespace {

// Sorts `order` (token ids, all still in play) by falling z, ties by token, and returns how many tokens top_k
// and then top_p leave. Only as much is sorted as the cut needs.
int64_t cut(const float* z, int64_t vocab, const swirl_sampling& options, int32_t* order) {
  const auto before = [z](int32_t a, int32_t b) { return z[a] > z[b] || (z[a] == z[b] && a < b); };
  int64_t kept = vocab;
  if (options.top_k > 0 && options.top_k < vocab) {
    kept = options.top_k;
    std::nth_element(order, order + kept - 1, order + vocab, before);
  }
  if (!(options.top_p < 1)) return kept;
  const float top = z[*std::min_element(order, order + kept, before)];
  double total = 0;
  for (int64_t i = 0; i < kept; ++i) total += std::exp(static_cast<double>(z[order[i]] - top));
  double left = static_cast<double>(options.top_p) * total;
  int64_t sorted = 0;
  for (int64_t i = 0; i < kept; ++i) {
    if (i == sorted) {
      sorted = std::min<int64_t>(kept, std::max<int64_t>(128, 4 * sorted));
      std::partial_sort(order + i, order + sorted, order + kept, before);
    }
    left -= std::exp(static_cast<double>(z[order[i]] - top));
    if (left <= 0) return i + 1;
  }
  return kept;
}

// From the tokens that the cut leaves, renormalised.
void sample_cut(const float* z, int64_t vocab, const swirl_sampling& options, float uniform, int32_t* order,
                int32_t* token, float* logprob) {
  for (int64_t i = 0; i < vocab; ++i) {
    if (std::isnan(z[i])) {  // has no place in an order; the caller sees it in the log-prob
      *token = 0;
      *logprob = z[i];
      return;
    }
    order[i] = static_cast<int32_t>(i);
  }
  const int64_t kept = cut(z, vocab, options, order);
  std::sort(order, order + kept);
  float top = z[order[0]];
  for (int64_t i = 1; i < kept; ++i) top = std::max(top, z[order[i]]);
  double total = 0;
  for (int64_t i = 0; i < kept; ++i) total += std::exp(static_cast<double>(z[order[i]] - top));
  double left = static_cast<double>(uniform) * total;
  int32_t picked = order[0];
  for (int64_t i = 0; i < kept; ++i) {
    const double p = std::exp(static_cast<double>(z[order[i]] - top));
    if (p > 0) picked = order[i];
    if (left < p) break;
    left -= p;
  }
  *token = picked;
  *logprob = std::min(0.0f, static_cast<float>(static_cast<double>(z[picked] - top) - std::log(total)));
}

}  // namespace

swirl_status sample(swirl_device* device, int32_t rows, int32_t vocab, const float* logits, float softcap,
                    const swirl_sampling* options, const float* uniform, int32_t* token, float* logprob) {
  if (!(options->temperature >= 0) || options->top_k < 0 || !(options->top_p > 0) || !(options->top_p <= 1))
    return fail(device, SWIRL_INVALID, "sample: temperature %g (>= 0), top_k %d (>= 0), top_p %g (in (0, 1])",
                static_cast<double>(options->temperature), options->top_k,
                static_cast<double>(options->top_p));
  const bool greedy = options->temperature == 0;
  const bool whole = (options->top_k == 0 || options->top_k >= vocab) && options->top_p >= 1;
  const LogitScale scale = {softcap, greedy ? 1.0f : 1.0f / options->temperature};
  const size_t chunks = static_cast<size_t>(round_up(ceil_div(vocab, kLogitChunk) * sizeof(LogitChunk), 64));
  const size_t words = static_cast<size_t>(round_up(vocab, 16)) * 4;
  const size_t bytes = greedy || whole ? chunks : 2 * words;
  if (!device->reserve(bytes)) return out_of_scratch(device, "sample", bytes);
  parallel_for(device, rows, 1, [&](int64_t row, int64_t) {
    const float* from = logits + row * vocab;
    char* scratch = static_cast<char*>(device->scratch(thread_index()));
    if (greedy) {
      SWIRL_DISPATCH(sample_greedy(from, vocab, scale, reinterpret_cast<LogitChunk*>(scratch), token + row,
                                   logprob + row));
    } else if (whole) {
      SWIRL_DISPATCH(sample_whole(from, vocab, scale, uniform[row], reinterpret_cast<LogitChunk*>(scratch),
                                  token + row, logprob + row));
    } else {
      float* z = reinterpret_cast<float*>(scratch);
      SWIRL_DISPATCH(scale_row(from, vocab, scale, z));
      sample_cut(z, vocab, *options, uniform[row], reinterpret_cast<int32_t*>(scratch + words), token + row,
                 logprob + row);
    }
  });
  return SWIRL_OK;
}

}  // namespace swirl
