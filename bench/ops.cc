// Every op but attention and plain products at a model's shapes, on any device, each over its floor: bytes at
// the copy bandwidth, operations at the matrix peak, both measured first. And the language-model head in
// chunks, products included. Build and run: bench/native.sh ops [options]
//
//   --device cpu|cuda|cuda:1   cpu
//   --shape 135m|0.5b|smoke    SmolLM2-135M, 736 rows (default on the CPU); Qwen2.5-0.5B, 8,192 rows (default on
//                              a GPU); a few rows, to see that everything runs
//   --head T,H,V,CHUNK[,…]     the head's rows, width, vocabulary and rows a chunk, one measurement for each
//   --threads N                of the CPU; all
//   --json FILE                also as one JSON object
#include <numeric>

#include "bench/measure.h"
#include "bench/ops_shape.h"
#include "bench/options.h"

namespace {

namespace work = swirl::work;
using bench::Ints;
using bench::Operand;
using bench::Shape;

constexpr swirl_dtype kFloat = SWIRL_FLOAT32, kHalf = SWIRL_BFLOAT16;

struct Suite {
  const bench::Device& device;
  bench::Bench& out;
  const Shape& s;
  const swirl_kernels& k = *device.k;
  swirl_device* d = device.d;

  Operand operand(swirl_dtype dtype, size_t count, float scale = 1) const {
    return Operand(device, s.beyond_caches, dtype, count, scale);
  }
  Operand small(size_t count, float scale = 1) const { return Operand(device, 0, kFloat, count, scale); }

  void embedding() const {
    const size_t cells = size_t(s.rows) * s.width;
    const Operand table(device, 0, kHalf, size_t(s.vocab) * s.width);
    const Operand out_rows = operand(kFloat, cells), gradient = small(size_t(s.vocab) * s.width);
    std::vector<int32_t> tokens(static_cast<size_t>(s.rows));
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = int32_t(i * 7919 % size_t(s.vocab));
    const Ints there(device, tokens);
    out.run("embedding_forward, bf16 table",
            work::embedding_forward(s.rows, s.width, nullptr, nullptr, kHalf, 1, nullptr), [&](size_t i) {
              return k.embedding_forward(d, s.rows, s.width, there.data(), table.at(i), kHalf, 1,
                                         out_rows.f(i));
            });
    out.run("embedding_backward, distinct tokens",
            work::embedding_backward(s.rows, s.width, nullptr, nullptr, 1, nullptr), [&](size_t i) {
              return k.embedding_backward(d, s.rows, s.width, tokens.data(), out_rows.f(i), 1, gradient.f(i));
            });
  }

  void norms() const {
    const int rows = s.rows, width = s.width;
    const size_t cells = size_t(rows) * width;
    const Operand x = operand(kFloat, cells), y = operand(kHalf, cells), dx = operand(kFloat, cells);
    const Operand weight = small(size_t(width)), rstd = small(size_t(rows)), dweight = small(size_t(width));
    out.run("rmsnorm_forward, f32 to bf16",
            work::rmsnorm_forward(rows, 1, width, nullptr, width, kFloat, nullptr, 0, 0, nullptr, width,
                                  kHalf, nullptr),
            [&](size_t i) {
              return k.rmsnorm_forward(d, rows, 1, width, x.at(i), width, kFloat, weight.f(0), 0, 1e-5f,
                                       y.at(i), width, kHalf, rstd.f(0));
            });
    out.run("rmsnorm_backward, bf16 onto f32",
            work::rmsnorm_backward(rows, 1, width, nullptr, width, kFloat, nullptr, 0, nullptr, nullptr,
                                   width, kHalf, nullptr, width, kFloat, 1, nullptr),
            [&](size_t i) {
              return k.rmsnorm_backward(d, rows, 1, width, x.at(i), width, kFloat, weight.f(0), 0, rstd.f(0),
                                        y.at(i), width, kHalf, dx.at(i), width, kFloat, 1, dweight.f(0));
            });
  }

  void projections() const {
    const int rows = s.rows, wide = (s.heads + 2 * s.kv_heads) * s.head_dim, keys = s.kv_heads * s.head_dim;
    const Operand qkv = operand(kHalf, size_t(rows) * wide), cache = operand(kHalf, size_t(rows) * keys);
    const Operand gradient = operand(kFloat, size_t(rows) * keys);
    const Operand angles = small(size_t(rows) * s.head_dim), bias = small(size_t(wide));
    std::vector<int32_t> order(static_cast<size_t>(rows));
    std::iota(order.begin(), order.end(), 0);
    const Ints position(device, order);
    out.run("rope of the queries",
            work::rope(rows, s.heads, s.head_dim, nullptr, wide, kHalf, nullptr, nullptr, nullptr, 0),
            [&](size_t i) {
              return k.rope(d, rows, s.heads, s.head_dim, qkv.at(i), wide, kHalf, position.data(),
                            angles.f(0), angles.f(0), 0);
            });
    out.run("bias_forward on q, k, v", work::bias_forward(rows, wide, nullptr, wide, kHalf, nullptr),
            [&](size_t i) { return k.bias_forward(d, rows, wide, qkv.at(i), wide, kHalf, bias.f(0)); });
    out.run("bias_backward", work::bias_backward(rows, wide, nullptr, wide, kHalf, nullptr),
            [&](size_t i) { return k.bias_backward(d, rows, wide, qkv.at(i), wide, kHalf, bias.f(0)); });
    out.run("scatter_rows, keys to their slots",
            work::scatter_rows(rows, keys, nullptr, nullptr, wide, nullptr, keys, kHalf), [&](size_t i) {
              return k.scatter_rows(d, rows, keys, position.data(), qkv.at(i), wide, cache.at(i), keys,
                                    kHalf);
            });
    out.run("convert_rows, f32 to bf16",
            work::convert_rows(rows, keys, nullptr, keys, nullptr, nullptr, wide, kHalf), [&](size_t i) {
              return k.convert_rows(d, rows, keys, gradient.f(i), keys, nullptr, qkv.at(i), wide, kHalf);
            });
  }

  void gated() const {
    const size_t cells = size_t(s.rows) * s.inner;
    const Operand gate_up = operand(kHalf, 2 * cells, 4), flat = operand(kHalf, cells);
    for (const swirl_activation kind : {SWIRL_SILU, SWIRL_GELU_TANH}) {
      const std::string name = kind == SWIRL_SILU ? ", silu" : ", gelu_tanh";
      out.run("gated_forward" + name, work::gated_forward(kind, s.rows, s.inner, nullptr, nullptr, kHalf),
              [&](size_t i) {
                return k.gated_forward(d, kind, s.rows, s.inner, gate_up.at(i), flat.at(i), kHalf);
              });
      out.run("gated_backward" + name,
              work::gated_backward(kind, s.rows, s.inner, nullptr, nullptr, nullptr, kHalf), [&](size_t i) {
                return k.gated_backward(d, kind, s.rows, s.inner, gate_up.at(i), flat.at(i), gate_up.at(i),
                                        kHalf);
              });
    }
  }

  void residuals() const {
    const int rows = s.rows, width = s.width;
    const size_t cells = size_t(rows) * width;
    const Operand x = operand(kFloat, cells), y = operand(kFloat, cells);
    std::vector<int32_t> order(static_cast<size_t>(rows));
    for (int i = 0; i < rows; ++i) order[size_t(i)] = rows - 1 - i;
    const Ints index(device, order);
    out.run("add", work::add(cells, nullptr, nullptr),
            [&](size_t i) { return k.add(d, cells, x.f(i), y.f(i)); });
    out.run("gather_rows, f32",
            work::gather_rows(rows, width, nullptr, nullptr, width, nullptr, width, kFloat), [&](size_t i) {
              return k.gather_rows(d, rows, width, index.data(), x.at(i), width, y.at(i), width, kFloat);
            });
    out.run("scatter_add_rows", work::scatter_add_rows(rows, width, nullptr, nullptr, width, nullptr, width),
            [&](size_t i) {
              return k.scatter_add_rows(d, rows, width, index.data(), x.f(i), width, y.f(i), width);
            });
  }

  void optimizer() const {
    const size_t count = s.parameters;
    const Operand weight = small(count), gradient = small(count, 1e-3f), m = small(count, 0),
                  v = small(count, 0);
    const Operand copy(device, 0, kHalf, count);
    const swirl_adamw o = {1e-6, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1};
    out.run("adamw, bf16 copy",
            work::adamw(count, &o, weight.f(0), nullptr, nullptr, nullptr, copy.at(0), kHalf), [&](size_t) {
              return k.adamw(d, count, &o, weight.f(0), gradient.f(0), m.f(0), v.f(0), copy.at(0), kHalf);
            });
    double sum = 0;
    out.run("sum_of_squares", work::sum_of_squares(count, nullptr, nullptr),
            [&](size_t) { return k.sum_of_squares(d, count, gradient.f(0), &sum); });
    out.run("convert, f32 to bf16", work::convert(nullptr, kHalf, nullptr, kFloat, count),
            [&](size_t) { return k.convert(d, copy.at(0), kHalf, weight.at(0), kFloat, count); });
  }

  void logprobs() const {
    const size_t cells = size_t(s.logit_rows) * s.vocab, rows = size_t(s.logit_rows);
    const Operand logits = operand(kFloat, cells, 8), gradient = operand(kHalf, cells);
    const Operand results = small(4 * rows);
    std::vector<int32_t> offset(rows + 1), target(rows);
    std::iota(offset.begin(), offset.end(), 0);
    for (size_t i = 0; i < rows; ++i) target[i] = int32_t(i * 377 % size_t(s.vocab));
    const Ints offsets(device, offset), targets(device, target);
    const swirl_labels labels = {s.logit_rows, s.logit_rows, offsets.data(), targets.data()};
    float *logprob = results.f(0), *lse = logprob + rows, *entropy = lse + rows,
          *coefficient = entropy + rows;
    for (const float softcap : {0.0f, 30.0f}) {
      const std::string name = softcap > 0 ? ", soft-cap" : "";
      out.run("logprob_forward" + name,
              work::logprob_forward(s.vocab, nullptr, softcap, 1, &labels, nullptr, nullptr, nullptr),
              [&](size_t i) {
                return k.logprob_forward(d, s.vocab, logits.f(i), softcap, 1, &labels, logprob, lse, entropy);
              });
      out.run("logprob_backward to bf16" + name,
              work::logprob_backward(s.vocab, nullptr, softcap, 1, &labels, nullptr, nullptr, nullptr,
                                     nullptr, nullptr, kHalf),
              [&](size_t i) {
                return k.logprob_backward(d, s.vocab, logits.f(i), softcap, 1, &labels, coefficient, lse,
                                          nullptr, nullptr, gradient.at(i), kHalf);
              });
    }
  }

  void sampling() const {
    const size_t rows = size_t(s.sequences);
    const Operand logits = operand(kFloat, rows * size_t(s.vocab), 8);
    std::vector<float> uniform(rows, 0.5f), logprob(rows);
    std::vector<int32_t> token(rows);
    const std::pair<const char*, swirl_sampling> ways[] = {{"sample, whole", {1, 0, 1}},
                                                           {"sample, greedy", {0, 0, 1}},
                                                           {"sample, top_p 0.95", {1, 0, 0.95f}},
                                                           {"sample, top_k 50", {1, 50, 1}}};
    for (const auto& way : ways)
      out.run(way.first,
              work::sample(s.sequences, s.vocab, nullptr, 0, &way.second, nullptr, nullptr, nullptr),
              [&](size_t i) {
                return k.sample(d, s.sequences, s.vocab, logits.f(i), 0, &way.second, uniform.data(),
                                token.data(), logprob.data());
              });
  }

  // Forward and backward of the head over all rows in chunks, as the engine does them. The floor is the larger
  // of three products' operations and the operands' bytes, each once.
  void head(int chunk) const {
    const int rows = s.head_rows, width = s.head_width, vocab = s.head_vocab;
    const size_t weights = size_t(vocab) * width;
    const Operand weight(device, 0, kHalf, weights, 0.05f), gradient = small(weights);
    const Operand hidden(device, 0, kHalf, size_t(rows) * width), dhidden = small(size_t(rows) * width);
    const Operand logits = small(size_t(chunk) * vocab), dlogits(device, 0, kHalf, size_t(chunk) * vocab);
    const Operand results = small(4 * size_t(chunk));
    std::vector<int32_t> offset(size_t(chunk) + 1), target(size_t(chunk), vocab / 2);
    std::iota(offset.begin(), offset.end(), 0);
    const Ints offsets(device, offset), targets(device, target);
    float *logprob = results.f(0), *lse = logprob + chunk, *entropy = lse + chunk,
          *coefficient = entropy + chunk;
    const auto piece = [&](int begin, int n) {
      const swirl_labels labels = {n, n, offsets.data(), targets.data()};
      const char* x = static_cast<const char*>(hidden.at(0)) + size_t(begin) * width * 2;
      swirl_status status = k.gemm(d, 0, 1, n, vocab, width, kHalf, x, width, weight.at(0), width, 0,
                                   logits.f(0), vocab, kFloat);
      if (status == SWIRL_OK)
        status = k.logprob_forward(d, vocab, logits.f(0), 0, 1, &labels, logprob, lse, entropy);
      if (status == SWIRL_OK)
        status = k.logprob_backward(d, vocab, logits.f(0), 0, 1, &labels, coefficient, lse, nullptr, nullptr,
                                    dlogits.at(0), kHalf);
      if (status == SWIRL_OK)
        status = k.gemm(d, 1, 0, vocab, width, n, kHalf, dlogits.at(0), vocab, x, width, 1, gradient.f(0),
                        width, kFloat);
      if (status != SWIRL_OK) return status;
      return k.gemm(d, 0, 0, n, width, vocab, kHalf, dlogits.at(0), vocab, weight.at(0), width, 0,
                    dhidden.f(0) + size_t(begin) * width, width, kFloat);
    };
    swirl::Work all;
    all.op = "head";
    all.flops = 6.0 * rows * double(weights);
    all.bytes = 12.0 * double(weights) + 6.0 * rows * width;
    all.dtype = kHalf;
    out.run("head, forward and backward, " + std::to_string(chunk) + " rows a chunk", all, [&](size_t) {
      for (int begin = 0; begin < rows; begin += chunk) {
        const swirl_status status = piece(begin, std::min(chunk, rows - begin));
        if (status != SWIRL_OK) return status;
      }
      return SWIRL_OK;
    });
  }

  void all() const {
    embedding();
    norms();
    projections();
    gated();
    residuals();
    optimizer();
    logprobs();
    sampling();
    for (const int chunk : s.head_chunks) head(chunk);
  }
};

}  // namespace

int main(int count, char** arguments) {
  const auto given = bench::options(
      count, arguments,
      {{"--device", "cpu"}, {"--shape", ""}, {"--head", ""}, {"--threads", "0"}, {"--json", ""}});
  const std::string &name = given.at("--device"), &head = given.at("--head");
  std::string shape_name = given.at("--shape");
  if (shape_name.empty()) shape_name = name == "cpu" ? "135m" : "0.5b";
  Shape shape;
  for (const Shape& known : bench::kShapes)
    if (known.name == shape_name) shape = known;
  if (shape.name.empty()) bench::give_up("--shape " + shape_name + " is none of 135m, 0.5b, smoke");
  if (!head.empty()) {
    int read = 0;
    const int sizes = std::sscanf(head.c_str(), "%d,%d,%d%n", &shape.head_rows, &shape.head_width,
                                  &shape.head_vocab, &read);
    shape.head_chunks.clear();
    const char* rest = head.c_str() + read;
    for (int chunk = 0, used = 0; sizes == 3 && std::sscanf(rest, ",%d%n", &chunk, &used) == 1; rest += used)
      shape.head_chunks.push_back(chunk);
    const std::vector<int>& chunks = shape.head_chunks;
    if (*rest != 0 || chunks.empty() || *std::min_element(chunks.begin(), chunks.end()) < 1)
      bench::give_up("--head " + head + " is not T,H,V,CHUNK[,CHUNK…]");
  }
  const bool smoke = shape.name == "smoke";
  const bench::Device device(name, std::atoi(given.at("--threads").c_str()));
  bench::Bench out(device, smoke ? 0 : 0.05, smoke ? 1 : 7);
  Suite{device, out, shape}.all();
  bench::write_json(given.at("--json"), device, out, bench::json(shape));
  return 0;
}
