// The first 20 seconds on a new device: memory, one product, one attention, one update, each against the CPU. It stops at
// the first that is wrong, with what a fix needs. scripts/gpu-check runs it before everything else.
//
// SWIRL_TEST_DEVICE names the device (device.h). On the CPU it compares the CPU with itself.
#include <chrono>

#include "native/engine/engine.h"
#include "native/engine/error.h"
#include "random_tree.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;
using check::Tree;
using namespace swirl;

// The CPU, open while the device is the one that Arrays live on: plain pointers only.
struct Cpu {
  const swirl_kernels* k = swirl_cpu_kernels();
  swirl_device* d = nullptr;
  Cpu() { k->open(0, 1, &d); }
  ~Cpu() { k->close(d); }
  void ok(swirl_status status) const { check::expect(status == SWIRL_OK, k->last_error(d)); }
};

std::vector<char> bytes_of(const Array& x) {
  std::vector<char> out(x.size() * size_of(x.dtype()));
  for (size_t i = 0; i < x.size(); ++i) {
    if (x.dtype() == SWIRL_FLOAT32) {
      reinterpret_cast<float*>(out.data())[i] = static_cast<float>(x[i]);
    } else {
      reinterpret_cast<bfloat16*>(out.data())[i] = to_bfloat16(static_cast<float>(x[i]));
    }
  }
  return out;
}
Reference values_of(const std::vector<char>& bytes, swirl_dtype dtype) {
  Reference out;
  for (size_t i = 0; i < bytes.size() / size_of(dtype); ++i)
    out.push_back(dtype == SWIRL_FLOAT32 ? reinterpret_cast<const float*>(bytes.data())[i]
                                         : to_float(reinterpret_cast<const bfloat16*>(bytes.data())[i]));
  return out;
}

void describe(Device& device) {
  swirl_device_info info;
  device.ok(device.k->describe(device.d, &info), "describe");
  std::printf("  %s: %s, %s, %s, %d multiprocessors, %.1f of %.1f GiB free\n", info.name, info.description,
              info.isa, info.matrix_library, info.cores, double(info.memory_free) / (1 << 30),
              double(info.memory_bytes) / (1 << 30));
}

// Through the ring of pinned pieces, around it, and between two places on the device.
void memory(Device& device) {
  for (const size_t bytes : {size_t{4}, size_t{100'000}, size_t{3} << 20}) {
    std::vector<unsigned char> from(bytes), to(bytes, 1);
    for (size_t i = 0; i < bytes; ++i) from[i] = static_cast<unsigned char>(i * 7 + i / 251);
    void *a = nullptr, *b = nullptr;
    device.ok(device.k->allocate(device.d, bytes, &a), "allocate");
    device.ok(device.k->allocate(device.d, bytes, &b), "allocate");
    device.ok(device.k->upload(device.d, a, from.data(), bytes), "upload");
    device.ok(device.k->copy(device.d, b, a, bytes), "copy");
    device.ok(device.k->zero(device.d, a, bytes), "zero");
    device.ok(device.k->download(device.d, to.data(), b, bytes), "download");
    check::expect(from == to, "memory: " + std::to_string(bytes) + " bytes come back changed");
    device.ok(device.k->download(device.d, to.data(), a, bytes), "download");
    check::expect(to == std::vector<unsigned char>(bytes), "memory: zero leaves something");
    device.k->release(device.d, a);
    device.k->release(device.d, b);
  }
}

void product(Device& device) {
  Rng rng(5);
  const Cpu cpu;
  const int m = 200, n = 136, k = 320;
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    const Array a = Array::random(rng, dtype, size_t(m) * k), b = Array::random(rng, dtype, size_t(n) * k);
    Array c(SWIRL_FLOAT32, size_t(m) * n), alone(SWIRL_FLOAT32, n);
    device.ok(device.k->gemm(device.d, 0, 1, m, n, k, dtype, a.data(), k, b.data(), k, 0, c.data(), n,
                             SWIRL_FLOAT32),
              "gemm");
    const std::vector<char> ha = bytes_of(a), hb = bytes_of(b);
    std::vector<char> hc(size_t(m) * n * 4);
    cpu.ok(
        cpu.k->gemm(cpu.d, 0, 1, m, n, k, dtype, ha.data(), k, hb.data(), k, 0, hc.data(), n, SWIRL_FLOAT32));
    check::close(c, values_of(hc, SWIRL_FLOAT32), 1e-5, std::string("gemm ") + check::name(dtype));
    device.ok(device.k->gemm(device.d, 0, 1, 1, n, k, dtype, a.row(size_t(77) * k), k, b.data(), k, 0,
                             alone.data(), n, SWIRL_FLOAT32),
              "gemm of one row");
    check::expect(alone.same_bits(c, size_t(77) * n), std::string("gemm ") + check::name(dtype) +
                                                          ": a row alone has other bits than among others");
  }
}

void attention(Device& device) {
  Rng rng(6);
  const Cpu cpu;
  for (const int dim : {64, 128}) {
    const swirl_dtype dtype = SWIRL_BFLOAT16;
    const swirl_attention_shape shape = {6, 2, dim, 0, float(std::pow(dim, -0.5)), 0};
    const Tree tree = check::random_tree(rng, 2, 2, {5, 20, 70});
    const int32_t wide = 6 * dim, narrow = 2 * dim;
    const size_t queries = size_t(tree.rows) * wide, keys = size_t(tree.rows) * narrow,
                 heads = size_t(tree.rows) * 6;
    const Array q = Array::random(rng, dtype, queries, 2), k = Array::random(rng, dtype, keys, 2),
                v = Array::random(rng, dtype, keys), dout = Array::random(rng, dtype, queries);
    Array out(dtype, queries), lse(SWIRL_FLOAT32, heads), dq(dtype, queries), dk(SWIRL_FLOAT32, keys),
        dv(SWIRL_FLOAT32, keys);
    const check::TreeOnDevice on(tree.view());
    device.ok(device.k->attention_forward(device.d, &shape, &on.view, q.data(), wide, k.data(), narrow,
                                          v.data(), narrow, out.data(), wide, lse.f(), dtype),
              "attention_forward");
    device.ok(device.k->attention_backward(device.d, &shape, &on.view, q.data(), wide, k.data(), narrow,
                                           v.data(), narrow, out.data(), wide, lse.f(), dout.data(), wide,
                                           dq.data(), dk.f(), dv.f(), dtype),
              "attention_backward");
    const std::vector<char> hq = bytes_of(q), hk = bytes_of(k), hv = bytes_of(v), hdout = bytes_of(dout);
    std::vector<char> hout(queries * 2), hlse(heads * 4), hdq(queries * 2), hdk(keys * 4), hdv(keys * 4);
    const swirl_tree view = tree.view();
    const auto f = [](std::vector<char>& x) { return reinterpret_cast<float*>(x.data()); };
    cpu.ok(cpu.k->attention_forward(cpu.d, &shape, &view, hq.data(), wide, hk.data(), narrow, hv.data(),
                                    narrow, hout.data(), wide, f(hlse), dtype));
    cpu.ok(cpu.k->attention_backward(cpu.d, &shape, &view, hq.data(), wide, hk.data(), narrow, hv.data(),
                                     narrow, hout.data(), wide, f(hlse), hdout.data(), wide, hdq.data(),
                                     f(hdk), f(hdv), dtype));
    const std::string what = "attention, head size " + std::to_string(dim) + ": ";
    check::close(out, values_of(hout, dtype), 2e-2, what + "out");
    check::close(lse, values_of(hlse, SWIRL_FLOAT32), 1e-5, what + "lse");
    check::close(dq, values_of(hdq, dtype), 4e-2, what + "dq", 0.1);
    check::close(dk, values_of(hdk, SWIRL_FLOAT32), 4e-2, what + "dk", 0.1);
    check::close(dv, values_of(hdv, SWIRL_FLOAT32), 4e-2, what + "dv", 0.1);
  }
}

EngineOptions tiny(const std::string& device, swirl_dtype dtype) {
  EngineOptions o;
  ModelConfig& c = o.config;
  c.layers = 2, c.width = 64, c.heads = 4, c.kv_heads = 2, c.head_dim = 16, c.intermediate = 96,
  c.vocab = 264;
  c.max_positions = 128;
  c.attention_scale = 0.25f;
  c.sliding_layers = {false, false};
  for (int i = 0; i < 8; ++i) c.rope_inverse_frequencies.push_back(std::pow(10000.0, -i / 8.0));
  c.rope_inverse_frequencies_sliding = c.rope_inverse_frequencies;
  o.device = device;
  o.dtype = dtype;
  o.threads = 1;
  return o;
}

struct Trained {
  UpdateMetrics metrics;
  std::vector<std::vector<float>> before, after;
  std::vector<float> sampled, recomputed;  // of one completion, before the update
};
Trained train(const std::string& device, swirl_dtype dtype) {
  Engine engine(tiny(device, dtype));
  uint32_t state = 9;
  for (const ParameterInfo& info : engine.parameters()) {
    size_t count = 1;
    for (const int64_t n : info.shape) count *= size_t(n);
    std::vector<float> values(count);
    for (float& x : values)
      x = (static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / 16777216.0f - 0.5f) / 4;
    if (info.shape.size() == 1)
      for (float& x : values) x += 1;
    engine.write_tensor(info.name, TensorKind::kWeight, SWIRL_FLOAT32,
                        reinterpret_cast<const uint8_t*>(values.data()), count * 4);
  }
  std::vector<TrainSequence> batch(3);
  for (size_t i = 0; i < batch.size(); ++i) {
    for (int t = 0; t < 30; ++t) batch[i].tokens.push_back(t < 20 ? t * 11 % 264 : int(t * 7 + i * 31) % 264);
    batch[i].action_start = 20;
    batch[i].advantage = i == 1 ? -0.5f : 1;
  }
  const std::vector<Sequence> sequences(batch.begin(), batch.end());
  Trained out;
  Prompt prompt;
  prompt.tokens.assign(batch[0].tokens.begin(), batch[0].tokens.begin() + 20);
  prompt.max_new_tokens = 6;
  const Completion drawn = engine.generate({prompt}, {}, {}, nullptr)[0][0];
  Sequence whole;
  whole.tokens = prompt.tokens;
  whole.tokens.insert(whole.tokens.end(), drawn.tokens.begin(), drawn.tokens.end());
  whole.action_start = 20;
  out.sampled = drawn.logprobs;
  out.recomputed = engine.logprobs({whole}, 1, true, 0, {})[0];
  out.before = engine.logprobs(sequences, 1, true, 0, {});
  OptimizerOptions optimizer;
  optimizer.lr = 1e-3;
  out.metrics = engine.update(batch, {}, optimizer, {});
  out.after = engine.logprobs(sequences, 1, true, 0, {});
  return out;
}

void update(Device&) {
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    const Trained want = train("cpu", dtype), got = train(check::device_name(), dtype);
    const double bound = dtype == SWIRL_FLOAT32 ? 1e-4 : 5e-2;
    const std::string what = std::string("update, ") + check::name(dtype) + ": ";
    const auto near = [&](double a, double b, double within, const std::string& name) {
      check::expect(std::fabs(a - b) <= within,
                    what + name + " is " + std::to_string(a) + ", the CPU has " + std::to_string(b));
    };
    near(got.metrics.gradient.loss, want.metrics.gradient.loss, bound * 10, "the loss");
    near(got.metrics.step.grad_norm, want.metrics.step.grad_norm, bound * (1 + want.metrics.step.grad_norm),
         "the gradient's norm");
    check::expect(got.metrics.step.skip_reason.empty(), what + "skipped: " + got.metrics.step.skip_reason);
    for (size_t i = 0; i < want.before.size(); ++i)
      for (size_t t = 0; t < want.before[i].size(); ++t) {
        near(got.before[i][t], want.before[i][t], bound, "a log-prob before it");
        near(got.after[i][t], want.after[i][t], bound * 2, "a log-prob after it");
      }
    check::expect(!got.sampled.empty() && got.sampled == got.recomputed,
                  what + "sampled and recomputed log-probs differ");
    check::expect(got.before != got.after, what + "it changed nothing");
  }
}

void run(Device& device) {
  std::printf("\n");
  const struct {
    const char* name;
    void (*run)(Device&);
  } steps[] = {{"describe", describe},
               {"memory", memory},
               {"product", product},
               {"attention", attention},
               {"update", update}};
  for (const auto& step : steps) {
    std::printf("%s …\n", step.name);
    std::fflush(nullptr);
    const auto begun = std::chrono::steady_clock::now();
    try {
      step.run(device);
      device.ok(device.k->synchronize(device.d), step.name);
    } catch (const Error& error) {
      check::fail(std::string(step.name) + ": " + error.code + ": " + error.what());
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::printf("%s: %s, %.2f s\n", step.name, check::failures() == 0 ? "ok" : "FAILED", took.count());
    if (check::failures() > 0) return;  // what follows would fail for the same reason
  }
}

}  // namespace

int main() { return check::test_main("smoke", run); }
