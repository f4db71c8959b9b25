// Sampling against the definition in float64, for every cut; the frequencies; the same log-prob as the
// trainer's.
#include <numeric>

#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

// The distribution sampled from, in token order.
Reference distribution(const double* logits, int vocab, double softcap, const swirl_sampling& o) {
  Reference z(static_cast<size_t>(vocab));
  for (int i = 0; i < vocab; ++i)
    z[size_t(i)] = (softcap > 0 ? softcap * std::tanh(logits[i] / softcap) : logits[i]) / o.temperature;
  std::vector<int> order(static_cast<size_t>(vocab));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return z[size_t(a)] > z[size_t(b)]; });
  size_t kept = size_t(vocab);
  if (o.top_k > 0) kept = std::min<size_t>(kept, size_t(o.top_k));
  const auto total = [&] {
    double sum = 0;
    for (size_t i = 0; i < kept; ++i) sum += std::exp(z[size_t(order[i])] - z[size_t(order[0])]);
    return sum;
  };
  if (o.top_p < 1) {
    const double goal = double(o.top_p) * total();
    double sum = 0;
    for (size_t i = 0; i < kept; ++i) {
      sum += std::exp(z[size_t(order[i])] - z[size_t(order[0])]);
      if (sum >= goal) kept = i + 1;
    }
  }
  Reference p(static_cast<size_t>(vocab), 0);
  const double sum = total();
  for (size_t i = 0; i < kept; ++i)
    p[size_t(order[i])] = std::exp(z[size_t(order[i])] - z[size_t(order[0])]) / sum;
  return p;
}

constexpr swirl_sampling kPlain = {1, 0, 1};

// step: of a grid that the logits lie on, so that many tie; 0 = none.
void one(Device& device, Rng& rng, int vocab, float softcap, const swirl_sampling& o, double step = 0) {
  const int rows = check::few_shapes() ? 3 : vocab > 1000 ? 8 : 48;
  char what[140];
  std::snprintf(what, sizeof what, "sample vocab %d softcap %g temperature %g top_k %d top_p %g ", vocab,
                double(softcap), double(o.temperature), o.top_k, double(o.top_p));
  Array logits = Array::random(rng, SWIRL_FLOAT32, size_t(rows) * vocab, 6);
  for (size_t i = 0; step > 0 && i < logits.size(); ++i)
    logits.set(i, step * std::nearbyint(logits[i] / step));
  std::vector<float> uniform(static_cast<size_t>(rows)), logprob(uniform.size()), logprob2(uniform.size());
  std::vector<int32_t> token(uniform.size()), token2(uniform.size());
  for (float& u : uniform) u = float(check::uniform(rng, 0, 0.9999));
  uniform[0] = 0;
  uniform[1] = std::nextafterf(1, 0);
  device.ok(device.k->sample(device.d, rows, vocab, logits.f(), softcap, &o, uniform.data(), token.data(),
                             logprob.data()),
            "sample");
  const Reference x = logits.values();
  for (int r = 0; r < rows; ++r) {
    const Reference p = distribution(&x[size_t(r) * vocab], vocab, softcap, o);
    double below = 0;
    for (int i = 0; i < token[size_t(r)]; ++i) below += p[size_t(i)];
    const double mine = p[size_t(token[size_t(r)])];
    check::expect(mine > 0, std::string(what) + "a token that was cut was drawn");
    check::expect(uniform[size_t(r)] >= below - 1e-5 && uniform[size_t(r)] <= below + mine + 1e-5,
                  std::string(what) + "row " + std::to_string(r) + ": token " +
                      std::to_string(token[size_t(r)]) + " is not where its uniform falls");
    check::expect(std::fabs(logprob[size_t(r)] - std::log(mine)) < 3e-5 && logprob[size_t(r)] <= 0,
                  std::string(what) + "log-prob " + std::to_string(logprob[size_t(r)]) + " should be " +
                      std::to_string(std::log(mine)));
  }
  device.ok(device.k->sample(device.d, rows, vocab, logits.f(), softcap, &o, uniform.data(), token2.data(),
                             logprob2.data()),
            "sample");
  check::expect(token == token2 && logprob == logprob2, std::string(what) + "other draws at a second call");
  const int alone = check::integer(rng, 0, rows - 1);
  const auto place = size_t(alone);
  device.ok(device.k->sample(device.d, 1, vocab, logits.f() + place * vocab, softcap, &o, &uniform[place],
                             token2.data(), logprob2.data()),
            "sample");
  check::expect(token2[0] == token[place] && logprob2[0] == logprob[place],
                std::string(what) + "a row alone draws another token, or gives it another log-prob");
  if (o.top_k == 0 && o.top_p >= 1) {  // the trainer's log-prob, to the bit
    std::vector<int32_t> offset(uniform.size() + 1);
    std::iota(offset.begin(), offset.end(), 0);
    const check::Ints offset_there(offset), token_there(token);
    const swirl_labels labels = {rows, rows, offset_there.data(), token_there.data()};
    Array trained(SWIRL_FLOAT32, uniform.size()), lse(SWIRL_FLOAT32, uniform.size()),
        entropy(SWIRL_FLOAT32, uniform.size());
    device.ok(device.k->logprob_forward(device.d, vocab, logits.f(), softcap, o.temperature, &labels,
                                        trained.f(), lse.f(), entropy.f()),
              "logprob_forward");
    check::expect(trained.same_bits(Array::of(SWIRL_FLOAT32, Reference(logprob.begin(), logprob.end()))),
                  std::string(what) + "the trainer's log-prob differs");
  }
}

void greedy(Device& device, Rng& rng) {
  const int vocab = 5003;
  Array logits = Array::random(rng, SWIRL_FLOAT32, vocab);
  logits.set(17, 9);
  logits.set(4100, 9);
  const swirl_sampling o = {0, 5, 0.5f};
  const float uniform = 0.9f;
  int32_t token = -1;
  float logprob = 1, logprob2 = 1;
  device.ok(device.k->sample(device.d, 1, vocab, logits.f(), 0, &o, &uniform, &token, &logprob), "sample");
  const Reference x = logits.values();
  const Reference p = distribution(x.data(), vocab, 0, {1, 0, 1});
  check::expect(token == 17, "sample: greedy takes the first of the largest");
  // A soft-cap that rounds the largest two to one value does not make them a tie.
  Array capped(SWIRL_FLOAT32, vocab, 0);
  capped.set(8, 4000);
  capped.set(4999, 4001);
  device.ok(device.k->sample(device.d, 1, vocab, capped.f(), 30, &o, &uniform, &token, &logprob2), "sample");
  check::expect(token == 4999, "sample: greedy compares logits, not what the soft-cap makes of them");
  check::expect(std::fabs(logprob - std::log(p[17])) < 1e-5,
                "sample: greedy's log-prob is of the softmax at temperature 1");
}

// -0 and 0 are one value: the tie goes by token.
void zeros(Device& device) {
  Array logits(SWIRL_FLOAT32, 40, -1);
  logits.set(3, -0.0);
  logits.set(4, 0.0);
  const swirl_sampling o = {1, 1, 1};
  const float uniform = 0.5f;
  int32_t token = -1;
  float logprob = 1;
  device.ok(device.k->sample(device.d, 1, 40, logits.f(), 0, &o, &uniform, &token, &logprob), "sample");
  check::expect(token == 3 && logprob == 0, "sample: of -0 and 0 the first comes first");
}

void frequencies(Device& device, Rng& rng) {
  const int vocab = 6, rows = 4000;
  Array logits(SWIRL_FLOAT32, size_t(rows) * vocab);
  const Array line = Array::random(rng, SWIRL_FLOAT32, vocab, 2);
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < vocab; ++i) logits.set(size_t(r) * vocab + i, line[size_t(i)]);
  std::vector<float> uniform(rows), logprob(rows);
  std::vector<int32_t> token(rows);
  for (float& u : uniform) u = std::min(float(check::uniform(rng, 0, 1)), std::nextafterf(1, 0));
  const swirl_sampling o = {1, 0, 1};
  device.ok(device.k->sample(device.d, rows, vocab, logits.f(), 0, &o, uniform.data(), token.data(),
                             logprob.data()),
            "sample");
  const Reference values = line.values(), p = distribution(values.data(), vocab, 0, o);
  for (int i = 0; i < vocab; ++i) {
    const double share = double(std::count(token.begin(), token.end(), i)) / rows;
    check::expect(std::fabs(share - p[size_t(i)]) < 5 * std::sqrt(p[size_t(i)] / rows),
                  "sample: token " + std::to_string(i) + " has frequency " + std::to_string(share));
  }
}

void run(Device& device) {
  Rng rng(29);
  for (const int vocab : {3, 100, 9001})
    for (const float softcap : {0.0f, 5.0f}) {
      if (softcap > 0 && vocab > 1000 && check::few_shapes()) continue;
      for (const swirl_sampling& o :
           {swirl_sampling{1, 0, 1}, swirl_sampling{0.6f, 0, 1}, swirl_sampling{1, 20, 1},
            swirl_sampling{0.8f, 0, 0.9f}, swirl_sampling{1.3f, 50, 0.7f}, swirl_sampling{1, 1, 1},
            swirl_sampling{1, 0, 0.01f}})
        one(device, rng, vocab, softcap, o);
    }
  // Ties go by token: grids of 25 values and of one.
  for (const double step : {0.5, 100.0})
    for (const int vocab : {100, 9001})
      for (const swirl_sampling& o : {swirl_sampling{1, 0, 1}, swirl_sampling{1, 20, 1},
                                      swirl_sampling{1, 0, 0.7f}, swirl_sampling{1, 77, 0.9f}})
        one(device, rng, vocab, 0, o, step);
  // Cuts deep in the tail, and ones that cut nothing.
  for (const swirl_sampling& o : {swirl_sampling{0.05f, 5000, 1}, swirl_sampling{0.05f, 9000, 0.9999999f},
                                  swirl_sampling{1, 20000, 1}, swirl_sampling{1, 20000, 0.9f}})
    one(device, rng, 9001, 0, o);
  for (const swirl_sampling& o :
       {swirl_sampling{1, 0, 1}, swirl_sampling{1, 50, 1}, swirl_sampling{0.7f, 0, 0.95f}})
    one(device, rng, 151936, 0, o);
  device.ok(device.k->sample(device.d, 0, 100, nullptr, 0, &kPlain, nullptr, nullptr, nullptr), "sample");
  zeros(device);
  greedy(device, rng);
  frequencies(device, rng);
  Array broken(SWIRL_FLOAT32, 300, 0);
  broken.set(5, NAN);
  for (const swirl_sampling& o :
       {swirl_sampling{1, 0, 1}, swirl_sampling{1, 10, 0.5f}, swirl_sampling{0, 0, 1}}) {
    const float uniform = 0.5f;
    int32_t token = -1;
    float logprob = 0;
    device.ok(device.k->sample(device.d, 1, 300, broken.f(), 0, &o, &uniform, &token, &logprob), "sample");
    check::expect(std::isnan(logprob) && token >= 0 && token < 300,
                  "sample: a NaN must show in the log-prob");
  }
  const swirl_sampling bad = {1, 0, 0};
  check::expect(
      device.k->sample(device.d, 1, 300, broken.f(), 0, &bad, nullptr, nullptr, nullptr) == SWIRL_INVALID,
      "sample: top_p 0 must be refused");
}

}  // namespace

int main() { return check::test_main("sample", run); }
