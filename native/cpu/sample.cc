#include <algorithm>
#include <cmath>
#include <cstring>

#include "native/cpu/device.h"
#include "native/cpu/isa.h"
#include "native/cpu/logprob.h"
#include "native/cpu/ops.h"

#define SWIRL_BODY "native/cpu/sample.inl"
#include "native/cpu/each_isa.h"

namespace swirl {
namespace {

// Tokens in order of descending z, ties by token, without sorting all of them: buckets of nearly equal weight, of which
// only the one with the boundary is sorted. weight = exp(z - largest z) is in [0, 1], so its upper bits
// order it.
class Ranking {
 public:
  static constexpr int32_t kBuckets = (0x3f800000 >> 18) + 1;

  // members [vocab] is scratch.
  Ranking(const float* z, const float* weight, int32_t vocab, int32_t* members)
      : z_(z), weight_(weight), vocab_(vocab), members_(members) {
    for (int32_t i = 0; i < vocab; ++i) {
      const int32_t b = bucket(weight[i]);
      mass_[b] += static_cast<double>(weight[i]);
      ++count_[b];
    }
  }

  // Keeps the first `most` tokens.
  void keep_count(int32_t most) {
    if (most < vocab_) cut(most, [](double, double count) { return count; });
  }
  // Keeps the first tokens until they have the share `share` of the weight kept so far.
  void keep_mass(double share) {
    cut(share * kept_mass_or_all(), [](double mass, double) { return mass; });
  }
  bool keeps(int32_t token) const {
    return all_ || z_[token] > last_z_ || (z_[token] == last_z_ && token <= last_token_);
  }

 private:
  static int32_t bucket(float weight) {
    uint32_t bits;
    std::memcpy(&bits, &weight, 4);
    return static_cast<int32_t>(bits >> 18);
  }
  double kept_mass_or_all() const {
    if (!all_) return kept_mass_;
    double total = 0;
    for (const double mass : mass_) total += mass;
    return total;
  }

  // Keeps tokens in order until amount(mass, count) of them reaches the goal.
  template <class Amount>
  void cut(double goal, const Amount& amount) {
    double mass = 0, count = 0;
    int32_t b = kBuckets - 1;
    while (b > 0 && amount(mass + mass_[b], count + count_[b]) < goal) {
      mass += mass_[b];
      count += count_[b];
      --b;
    }
    int32_t found = 0;
    for (int32_t i = 0; i < vocab_; ++i)
      if (bucket(weight_[i]) == b && keeps(i)) members_[found++] = i;
    if (found == 0) return;  // rounding put the goal past the last kept token
    std::sort(members_, members_ + found,
              [this](int32_t a, int32_t c) { return z_[a] > z_[c] || (z_[a] == z_[c] && a < c); });
    int32_t last = 0;
    for (;; ++last) {
      mass += static_cast<double>(weight_[members_[last]]);
      count += 1;
      if (last + 1 == found || amount(mass, count) >= goal) break;
    }
    all_ = false;
    kept_mass_ = mass;
    last_token_ = members_[last];
    last_z_ = z_[last_token_];
  }

  const float *z_, *weight_;
  int32_t vocab_;
  int32_t* members_;
  double mass_[kBuckets] = {};
  int32_t count_[kBuckets] = {};
  bool all_ = true;
  double kept_mass_ = 0;
  float last_z_ = 0;
  int32_t last_token_ = 0;
};

// Samples from the tokens that top_k and then top_p leave, renormalized.
void sample_cut(const float* z, const float* weight, int32_t vocab, const swirl_sampling& options,
                float largest, float uniform, int32_t* members, int32_t* token, float* logprob) {
  Ranking ranking(z, weight, vocab, members);
  if (options.top_k > 0) ranking.keep_count(options.top_k);
  if (options.top_p < 1) ranking.keep_mass(static_cast<double>(options.top_p));
  double total = 0;
  for (int32_t i = 0; i < vocab; ++i)
    if (ranking.keeps(i)) total += static_cast<double>(weight[i]);
  double left = static_cast<double>(uniform) * total;
  for (int32_t i = 0; i < vocab; ++i) {
    if (!ranking.keeps(i) || !(weight[i] > 0)) continue;
    *token = i;
    if (left < static_cast<double>(weight[i])) break;
    left -= static_cast<double>(weight[i]);
  }
  *logprob = std::min(0.0f, static_cast<float>(static_cast<double>(z[*token]) - static_cast<double>(largest) -
                                               std::log(total)));
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
  const size_t bytes = greedy || whole ? chunks : 3 * words;
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
      float* weight = reinterpret_cast<float*>(scratch + words);
      float largest = 0;
      SWIRL_DISPATCH(weigh_row(from, vocab, scale, z, weight, &largest));
      if (std::isnan(largest)) {  // cannot be ordered; the caller sees it in the log-prob
        token[row] = 0;
        logprob[row] = largest;
        return;
      }
      sample_cut(z, weight, vocab, *options, largest, uniform[row],
                 reinterpret_cast<int32_t*>(scratch + 2 * words), token + row, logprob + row);
    }
  });
  return SWIRL_OK;
}

}  // namespace swirl
