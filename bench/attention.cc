// Tree attention on any device, forward and backward over whole trees and a decode step, each over its floor:
// useful operations at the matrix peak, bytes at the copy bandwidth, both measured first. Build and run:
// bench/native.sh attention [options]
//
//   --device cpu|cuda|cuda:1   cpu
//   --heads 135m|0.5b|1.5b|smoke   whose heads; SmolLM2-135M on the CPU, Qwen2.5-0.5B and 1.5B on a GPU
//   --tree P,a,o,N,K,G         instead of 160,48,32,2,4,1 (CPU) or 1024,128,512,4,8 with G = 1 and 8 (GPU)
//   --dtype bfloat16|float32   both on the CPU, bfloat16 on a GPU
//   --threads N                of the CPU: 1, the figure that kernels are compared by
//   --json FILE                also as one JSON object; - is standard output
#include <cmath>

#include "bench/attention_tree.h"
#include "bench/measure.h"
#include "bench/options.h"

namespace {

namespace work = swirl::work;
using bench::Operand;
using bench::TreeShape;

struct Heads {
  std::string name;
  int heads, kv_heads, head_dim;
};

constexpr size_t kBeyondCaches = size_t(192) << 20;

const Heads kHeads[] = {{"135m", 9, 3, 64}, {"0.5b", 14, 2, 64}, {"1.5b", 12, 2, 128}, {"smoke", 4, 2, 32}};

struct Suite {
  const bench::Device& device;
  bench::Bench& out;
  const swirl_kernels& k = *device.k;
  swirl_device* d = device.d;

  static swirl_attention_shape shape(const Heads& h) {
    return {h.heads, h.kv_heads, h.head_dim, 0, 1 / std::sqrt(float(h.head_dim)), 0};
  }

  // q, k and v lie side by side in a row, as the engine's products leave them.
  void training(const Heads& h, const TreeShape& sizes, swirl_dtype dtype) const {
    bench::AttentionTree tree = bench::AttentionTree::training(sizes);
    const swirl_tree view = tree.on(device);
    const swirl_attention_shape s = shape(h);
    const int q = h.heads * h.head_dim, kv = h.kv_heads * h.head_dim, ld = q + 2 * kv;
    const size_t rows = size_t(tree.rows), width = swirl::size_of(dtype);
    const Operand qkv(device, 0, dtype, rows * ld), result(device, 0, dtype, rows * q);
    const Operand upstream(device, 0, dtype, rows * q), gradient(device, 0, dtype, rows * ld);
    const Operand dk(device, 0, SWIRL_FLOAT32, rows * kv), dv(device, 0, SWIRL_FLOAT32, rows * kv);
    const Operand lse(device, 0, SWIRL_FLOAT32, rows * h.heads);
    char* x = static_cast<char*>(qkv.at(0));
    const char *key = x + q * width, *value = key + kv * width;
    const std::string what = ", " + h.name + ", G = " + std::to_string(sizes.G) + ", " +
                             std::to_string(tree.rows) + " rows, " +
                             (dtype == SWIRL_FLOAT32 ? "f32" : "bf16");
    out.run("forward" + what,
            work::attention_forward(&s, &view, x, ld, key, ld, value, ld, result.at(0), q, lse.f(0), dtype),
            [&](size_t) {
              return k.attention_forward(d, &s, &view, x, ld, key, ld, value, ld, result.at(0), q, lse.f(0),
                                         dtype);
            });
    out.run("backward" + what,
            work::attention_backward(&s, &view, x, ld, key, ld, value, ld, result.at(0), q, lse.f(0),
                                     upstream.at(0), q, gradient.at(0), dk.f(0), dv.f(0), dtype),
            [&](size_t) {
              return k.attention_backward(d, &s, &view, x, ld, key, ld, value, ld, result.at(0), q, lse.f(0),
                                          upstream.at(0), q, gradient.at(0), dk.f(0), dv.f(0), dtype);
            });
  }

  // The cache of keys and values is larger than what is read, and its copies exceed the device's caches: a
  // step of a real model finds another layer's there.
  void decode(const Heads& h, int states, int samples, int shared, int own) const {
    bench::AttentionTree tree = bench::AttentionTree::decode(states, samples, shared, own);
    const swirl_tree view = tree.on(device);
    const swirl_attention_shape s = shape(h);
    const int q = h.heads * h.head_dim, kv = h.kv_heads * h.head_dim;
    const size_t rows = size_t(tree.rows), slots = size_t(tree.slots);
    const size_t beyond = h.name == "smoke" ? 0 : kBeyondCaches;
    const Operand queries(device, 0, SWIRL_BFLOAT16, rows * q), result(device, 0, SWIRL_BFLOAT16, rows * q);
    const Operand key(device, beyond, SWIRL_BFLOAT16, slots * kv),
        value(device, beyond, SWIRL_BFLOAT16, slots * kv);
    const Operand lse(device, 0, SWIRL_FLOAT32, rows * h.heads);
    // As a stream of bytes: work.h counts the slots of a tree whose rows are all in the call.
    swirl::Work all;
    all.op = "attention_forward";
    all.flops = 4.0 * double(view.pairs) * q;
    all.bytes = 4.0 * double(slots) * kv + 4.0 * double(rows) * q;
    all.dtype = SWIRL_BFLOAT16;
    out.run("decode step, " + h.name + ", " + std::to_string(rows) + " rows, " + std::to_string(slots) +
                " slots, bf16",
            all, [&](size_t i) {
              return k.attention_forward(d, &s, &view, queries.at(0), q, key.at(i), kv, value.at(i), kv,
                                         result.at(0), q, lse.f(0), SWIRL_BFLOAT16);
            });
  }
};

const Heads& heads_of(const std::string& name) {
  for (const Heads& known : kHeads)
    if (known.name == name) return known;
  bench::give_up("--heads " + name + " is none of 135m, 0.5b, 1.5b, smoke");
}

}  // namespace

int main(int count, char** arguments) {
  const auto given = bench::options(count, arguments,
                                    {{"--device", "cpu"},
                                     {"--heads", ""},
                                     {"--tree", ""},
                                     {"--dtype", ""},
                                     {"--threads", "1"},
                                     {"--json", ""}});
  const std::string &name = given.at("--device"), &heads = given.at("--heads"), &tree = given.at("--tree");
  std::string dtype = given.at("--dtype");
  const bool cpu = name == "cpu", smoke = heads == "smoke";
  if (dtype.empty()) dtype = cpu ? "both" : "bfloat16";
  if (dtype != "both" && dtype != "bfloat16" && dtype != "float32")
    bench::give_up("--dtype " + dtype + " is none of bfloat16, float32");
  std::vector<Heads> whose;
  if (!heads.empty())
    whose = {heads_of(heads)};
  else if (cpu)
    whose = {heads_of("135m")};
  else
    whose = {heads_of("0.5b"), heads_of("1.5b")};
  std::vector<TreeShape> trees;
  if (!tree.empty()) {
    TreeShape s;
    if (std::sscanf(tree.c_str(), "%d,%d,%d,%d,%d,%d", &s.P, &s.a, &s.o, &s.N, &s.K, &s.G) != 6 ||
        std::min({s.P, s.a, s.N, s.K, s.G}) < 1 || s.o < 0)
      bench::give_up("--tree " + tree + " is not P,a,o,N,K,G");
    trees = {s};
  } else if (smoke) {
    trees = {{9, 4, 3, 2, 2, 2}};
  } else if (cpu) {
    trees = {TreeShape{}};
  } else {
    trees = {{1024, 128, 512, 4, 8, 1}, {1024, 128, 512, 4, 8, 8}};
  }
  const bench::Device device(name, std::atoi(given.at("--threads").c_str()));
  bench::Bench out(device, smoke ? 0 : 0.05, smoke ? 1 : 7);
  const Suite suite{device, out};
  for (const Heads& h : whose) {
    for (const TreeShape& s : trees) {
      if (dtype != "float32") suite.training(h, s, SWIRL_BFLOAT16);
      if (dtype != "bfloat16") suite.training(h, s, SWIRL_FLOAT32);
    }
  }
  if (smoke)
    suite.decode(whose[0], 2, 2, 9, 4);
  else if (!cpu)
    suite.decode(whose[0], 8, 8, 3968, 128);
  bench::write_json(given.at("--json"), device, out,
                    bench::quoted(heads.empty() ? (cpu ? "135m" : "0.5b, 1.5b") : heads.c_str()));
  return 0;
}
