// Log-probs, entropy and the gradient of logits against float64 and finite differences; forks and rows
// without labels; a row alone and among others; never above zero.
#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

struct Labels {
  std::vector<int32_t> offset{0}, target;
};

class OnDevice {
 public:
  explicit OnDevice(const Labels& labels)
      : offset_(labels.offset),
        target_(labels.target),
        view{int32_t(labels.offset.size()) - 1, int32_t(labels.target.size()), offset_.data(),
             target_.data()} {}

 private:
  check::Ints offset_, target_;

 public:
  const swirl_labels view;
};

// Up to `most` labels a row.
Labels random_labels(Rng& rng, int rows, int vocab, int most) {
  Labels out;
  for (int r = 0; r < rows; ++r) {
    const int count = check::integer(rng, 0, most);
    for (int i = 0; i < count; ++i)  // sometimes the same token twice: identical siblings
      out.target.push_back(i > 0 && check::integer(rng, 0, 1) ? out.target.back()
                                                              : check::integer(rng, 0, vocab - 1));
    out.offset.push_back(int32_t(out.target.size()));
  }
  return out;
}

struct Scale {
  double softcap, temperature;
  double z(double logit) const {
    return (softcap > 0 ? softcap * std::tanh(logit / softcap) : logit) / temperature;
  }
};

void row_reference(const double* logits, int vocab, const Scale& scale, double* lse, double* entropy) {
  double top = -1e300, total = 0, weighted = 0;
  for (int i = 0; i < vocab; ++i) top = std::max(top, scale.z(logits[i]));
  for (int i = 0; i < vocab; ++i) total += std::exp(scale.z(logits[i]) - top);
  *lse = top + std::log(total);
  for (int i = 0; i < vocab; ++i) weighted += std::exp(scale.z(logits[i]) - *lse) * scale.z(logits[i]);
  *entropy = *lse - weighted;
}

void one(Device& device, Rng& rng, int rows, int vocab, float softcap, float temperature, double spread,
         int most = 3) {
  char what[120];
  std::snprintf(what, sizeof what, "logprob rows %d vocab %d softcap %g temperature %g ", rows, vocab,
                double(softcap), double(temperature));
  Array logits = Array::random(rng, SWIRL_FLOAT32, size_t(rows) * vocab, spread);
  const Labels labels = random_labels(rng, rows, vocab, most);
  const OnDevice there(labels);
  const size_t count = labels.target.size();
  Array logprob(SWIRL_FLOAT32, count), lse(SWIRL_FLOAT32, size_t(rows)), entropy(SWIRL_FLOAT32, size_t(rows));
  device.ok(device.k->logprob_forward(device.d, vocab, logits.f(), softcap, temperature, &there.view,
                                      logprob.f(), lse.f(), entropy.f()),
            "logprob_forward");
  const Scale scale{softcap, temperature};
  const Reference x = logits.values();
  Reference want(count), want_lse(size_t(rows), 0), want_entropy(size_t(rows), 0);
  for (int r = 0; r < rows; ++r) {
    row_reference(&x[size_t(r) * vocab], vocab, scale, &want_lse[size_t(r)], &want_entropy[size_t(r)]);
    for (int32_t l = labels.offset[size_t(r)]; l < labels.offset[size_t(r) + 1]; ++l) {
      want[size_t(l)] = scale.z(x[size_t(r) * vocab + labels.target[size_t(l)]]) - want_lse[size_t(r)];
      check::expect(logprob[size_t(l)] <= 0, std::string(what) + "a log-prob above 0");
    }
  }
  check::close(logprob, want, 3e-6, std::string(what) + "logprob", 1);
  check::close(lse, want_lse, 1e-6, std::string(what) + "lse", 1);
  check::close(entropy, want_entropy, 3e-5, std::string(what) + "entropy", 1);
  Array logprob2(logprob), lse2(lse), entropy2(entropy);
  device.ok(device.k->logprob_forward(device.d, vocab, logits.f(), softcap, temperature, &there.view,
                                      logprob2.f(), lse2.f(), entropy2.f()),
            "logprob_forward");
  check::expect(logprob.same_bits(logprob2) && lse.same_bits(lse2) && entropy.same_bits(entropy2),
                std::string(what) + "other bits at a second call");
  const int alone = check::integer(rng, 0, rows - 1);
  const int32_t only_begin = labels.offset[size_t(alone)];
  Labels only;
  only.target.assign(labels.target.begin() + labels.offset[size_t(alone)],
                     labels.target.begin() + labels.offset[size_t(alone) + 1]);
  only.offset.push_back(int32_t(only.target.size()));
  const OnDevice only_there(only);
  Array logprob1(SWIRL_FLOAT32, only.target.size() + 1), lse1(SWIRL_FLOAT32, 1), entropy1(SWIRL_FLOAT32, 1);
  device.ok(device.k->logprob_forward(device.d, vocab, logits.f() + size_t(alone) * vocab, softcap,
                                      temperature, &only_there.view, logprob1.f(), lse1.f(), entropy1.f()),
            "logprob_forward");
  check::expect(lse1[0] == lse[size_t(alone)] && entropy1[0] == entropy[size_t(alone)] &&
                    logprob1.same_bits(logprob, size_t(labels.offset[size_t(alone)]), only.target.size()),
                std::string(what) + "a row alone has other bits");

  Array coefficient = Array::random(rng, SWIRL_FLOAT32, count);
  const Reference c = coefficient.values();
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    Array gradient(dtype, logits.size(), 4);
    device.ok(device.k->logprob_backward(device.d, vocab, logits.f(), softcap, temperature, &there.view,
                                         coefficient.f(), lse.f(), nullptr, nullptr, gradient.data(), dtype),
              "logprob_backward");
    Reference wanted(x.size(), 0);
    for (int r = 0; r < rows; ++r)
      for (int32_t l = labels.offset[size_t(r)]; l < labels.offset[size_t(r) + 1]; ++l)
        for (int i = 0; i < vocab; ++i) {
          const double logit = x[size_t(r) * vocab + i], z = scale.z(logit);
          const double slope = (softcap > 0 ? 1 - std::pow(z * temperature / softcap, 2) : 1) / temperature;
          wanted[size_t(r) * vocab + i] +=
              c[size_t(l)] * ((i == labels.target[size_t(l)] ? 1 : 0) - std::exp(z - want_lse[size_t(r)])) *
              slope;
        }
    check::close(gradient, wanted, dtype == SWIRL_FLOAT32 ? 1e-5 : 4e-3, std::string(what) + "gradient",
                 1e-2);
    Array gradient1(dtype, size_t(vocab)), gradient2(dtype, gradient.size());
    const Array only_coefficient = Array::of(
        SWIRL_FLOAT32,
        Reference(c.begin() + only_begin, c.begin() + only_begin + std::ptrdiff_t(only.target.size())));
    device.ok(device.k->logprob_backward(device.d, vocab, logits.f() + size_t(alone) * vocab, softcap,
                                         temperature, &only_there.view, only_coefficient.f(), lse1.f(),
                                         nullptr, nullptr, gradient1.data(), dtype),
              "logprob_backward");
    device.ok(device.k->logprob_backward(device.d, vocab, logits.f(), softcap, temperature, &there.view,
                                         coefficient.f(), lse.f(), nullptr, nullptr, gradient2.data(), dtype),
              "logprob_backward");
    check::expect(gradient1.same_bits(gradient, size_t(alone) * vocab),
                  std::string(what) + "a row's gradient alone has other bits");
    check::expect(gradient2.same_bits(gradient), std::string(what) + "gradient: other bits at a second call");
    if (dtype == SWIRL_BFLOAT16) continue;
    if (x.size() < 4000) {
      check::finite_differences(
          x,
          [&](const Reference& at) {
            double total = 0, row_lse = 0, row_entropy = 0;
            for (int r = 0; r < rows; ++r) {
              row_reference(&at[size_t(r) * vocab], vocab, scale, &row_lse, &row_entropy);
              for (int32_t l = labels.offset[size_t(r)]; l < labels.offset[size_t(r) + 1]; ++l)
                total += c[size_t(l)] * (scale.z(at[size_t(r) * vocab + labels.target[size_t(l)]]) - row_lse);
            }
            return total;
          },
          gradient, 1 + x.size() / 41, 1e-5, std::string(what) + "gradient", 0.01);
    }
    Array in_place(logits);
    device.ok(device.k->logprob_backward(device.d, vocab, in_place.f(), softcap, temperature, &there.view,
                                         coefficient.f(), lse.f(), nullptr, nullptr, in_place.data(),
                                         SWIRL_FLOAT32),
              "logprob_backward");
    check::expect(in_place.same_bits(gradient), std::string(what) + "in place differs");
  }
}

// The entropy term's gradient, alone and with labels, against finite differences; a coefficient of 0 is none.
void entropy_term(Device& device, Rng& rng, int rows, int vocab, float softcap, float temperature) {
  const std::string what = "logprob, entropy term, vocab " + std::to_string(vocab) + " ";
  const Array logits = Array::random(rng, SWIRL_FLOAT32, size_t(rows) * vocab, 3);
  const Labels labels = random_labels(rng, rows, vocab, 2);
  const OnDevice there(labels);
  const size_t count = labels.target.size();
  Array logprob(SWIRL_FLOAT32, count), lse(SWIRL_FLOAT32, size_t(rows)), entropy(SWIRL_FLOAT32, size_t(rows));
  device.ok(device.k->logprob_forward(device.d, vocab, logits.f(), softcap, temperature, &there.view,
                                      logprob.f(), lse.f(), entropy.f()),
            "logprob_forward");
  const Scale scale{softcap, temperature};
  const Reference x = logits.values();
  Array each = Array::random(rng, SWIRL_FLOAT32, size_t(rows));
  for (const double label_weight : {0.0, 0.5}) {
    const Array coefficient(SWIRL_FLOAT32, count, label_weight);
    Array gradient(SWIRL_FLOAT32, x.size());
    device.ok(device.k->logprob_backward(device.d, vocab, logits.f(), softcap, temperature, &there.view,
                                         coefficient.f(), lse.f(), entropy.f(), each.f(), gradient.data(),
                                         SWIRL_FLOAT32),
              "logprob_backward");
    check::finite_differences(
        x,
        [&](const Reference& at) {
          double total = 0, row_lse = 0, row_entropy = 0;
          for (int r = 0; r < rows; ++r) {
            row_reference(&at[size_t(r) * vocab], vocab, scale, &row_lse, &row_entropy);
            total += each[size_t(r)] * row_entropy;
            for (int32_t l = labels.offset[size_t(r)]; l < labels.offset[size_t(r) + 1]; ++l)
              total += label_weight * (scale.z(at[size_t(r) * vocab + labels.target[size_t(l)]]) - row_lse);
          }
          return total;
        },
        gradient, 1 + x.size() / 41, 1e-5, what + "gradient", 0.01);
  }
  const Array coefficient = Array::random(rng, SWIRL_FLOAT32, count), none(SWIRL_FLOAT32, size_t(rows), 0);
  Array without(SWIRL_FLOAT32, x.size()), with(SWIRL_FLOAT32, x.size());
  device.ok(
      device.k->logprob_backward(device.d, vocab, logits.f(), softcap, temperature, &there.view,
                                 coefficient.f(), lse.f(), nullptr, nullptr, without.data(), SWIRL_FLOAT32),
      "logprob_backward");
  device.ok(
      device.k->logprob_backward(device.d, vocab, logits.f(), softcap, temperature, &there.view,
                                 coefficient.f(), lse.f(), entropy.f(), none.f(), with.data(), SWIRL_FLOAT32),
      "logprob_backward");
  check::expect(with.same_bits(without), what + "a coefficient of 0 changes bits");
}

void run(Device& device) {
  Rng rng(23);
  for (const float softcap : {0.0f, 30.0f}) {
    entropy_term(device, rng, 5, 7, softcap, 1);
    entropy_term(device, rng, 3, 257, softcap, 0.7f);
  }
  for (const float softcap : {0.0f, 30.0f})
    for (const float temperature : {1.0f, 0.7f}) {
      one(device, rng, 5, 7, softcap, temperature, 3);
      one(device, rng, 11, 257, softcap, temperature, 10);
      one(device, rng, 4, 9001, softcap, temperature, 10);
      one(device, rng, 3, 49152, softcap, temperature, 20);
    }
  one(device, rng, 6, 257, 0, 1, 10, 90);  // forks: many siblings' first tokens, some the same
  one(device, rng, 3, 9000, 30, 0.7f, 10, 40);
  one(device, rng, 2, 151936, 0, 1, 20);
  one(device, rng, 1, 262145, 30, 0.7f, 20);
  // One certain token: log-prob exactly 0 or a hair below, never above.
  Array sure(SWIRL_FLOAT32, 100, -50);
  sure.set(42, 60.3);
  const Labels label{{0, 1}, {42}};
  const OnDevice there(label);
  Array logprob(SWIRL_FLOAT32, 1, 1), lse(SWIRL_FLOAT32, 1), entropy(SWIRL_FLOAT32, 1, 1);
  device.ok(device.k->logprob_forward(device.d, 100, sure.f(), 0, 1, &there.view, logprob.f(), lse.f(),
                                      entropy.f()),
            "logprob_forward");
  check::expect(logprob[0] <= 0 && logprob[0] > -1e-5 && entropy[0] >= -1e-6 && entropy[0] < 1e-6,
                "logprob: a certain token");
  sure.set(7, NAN);
  device.ok(device.k->logprob_forward(device.d, 100, sure.f(), 0, 1, &there.view, logprob.f(), lse.f(),
                                      entropy.f()),
            "logprob_forward");
  check::expect(std::isnan(logprob[0]) && std::isnan(lse[0]), "logprob: a NaN logit must reach the log-prob");
  // Labels on a GPU cannot be looked at before the call returns: there the log-prob itself says so.
  const Array flat(SWIRL_FLOAT32, 100, 1);
  const OnDevice bad(Labels{{0, 1}, {100}});
  const swirl_status status =
      device.k->logprob_forward(device.d, 100, flat.f(), 0, 1, &bad.view, logprob.f(), lse.f(), entropy.f());
  check::expect(status == SWIRL_INVALID || (!check::on_cpu() && status == SWIRL_OK && std::isnan(logprob[0])),
                "logprob: a label outside the vocabulary must be refused");
}

}  // namespace

int main() { return check::test_main("logprob", run); }
