// Tree attention on SWiRL-shaped trees, SmolLM2-135M's heads: forward and backward in useful GFLOP/s, one
// thread, processor time. attention [P a o N K G]. Build and run: bench/native.sh attention.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "native/kernels/kernels.h"

namespace {

double seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

template <class Body>
double median_seconds(const Body& body) {
  std::vector<double> times;
  for (int i = 0; i < 6; ++i) {
    const double begin = seconds();
    body();
    times.push_back(seconds() - begin);
  }
  std::sort(times.begin() + 1, times.end());
  return times[3];
}

struct Tree {
  std::vector<int32_t> begin, end, offset{0}, from, to, length, below;
  int32_t rows = 0;
  double pairs = 0;  // query-key pairs

  // One segment under `path`; returns its index.
  size_t add(std::vector<std::pair<int32_t, int32_t>>* path, int n) {
    begin.push_back(rows);
    rows += n;
    end.push_back(rows);
    below.push_back(0);
    path->push_back({begin.back(), end.back()});
    int32_t total = 0;
    for (const auto& [a, b] : *path) {
      if (!from.empty() && offset.back() < int32_t(from.size()) && to.back() == a) {
        to.back() = b;
      } else {
        from.push_back(a);
        to.push_back(b);
      }
      total += b - a;
    }
    offset.push_back(int32_t(from.size()));
    length.push_back(total);
    pairs += double(n) * (total - n) + double(n) * (n + 1) / 2;
    return begin.size() - 1;
  }
  void close(size_t segment) { below[segment] = int32_t(begin.size()); }

  // State k: G - 1 sampled actions, then the logged action, its observation and the next state.
  void grow(std::vector<std::pair<int32_t, int32_t>> path, int a, int o, int k, int g) {
    for (int i = 1; i < g; ++i) {
      auto branch = path;
      close(add(&branch, a));
    }
    const size_t segment = add(&path, k > 1 ? a + o : a);
    if (k > 1) grow(path, a, o, k - 1, g);
    close(segment);
  }
};

}  // namespace

int main(int argc, char** argv) {
  int shape[6] = {160, 48, 32, 2, 4, 1};
  for (int i = 1; i < argc && i <= 6; ++i) shape[i - 1] = std::atoi(argv[i]);
  Tree tree;
  std::vector<std::pair<int32_t, int32_t>> path;
  const size_t root = tree.add(&path, shape[0]);
  for (int i = 0; i < shape[3]; ++i) tree.grow(path, shape[1], shape[2], shape[4], shape[5]);
  tree.close(root);
  const swirl_tree view = {int32_t(tree.begin.size()), tree.begin.data(), tree.end.data(),
                           tree.offset.data(),         tree.from.data(),  tree.to.data(),
                           tree.length.data(),         tree.below.data()};
  const swirl_kernels* k = swirl_cpu_kernels();
  swirl_device* d = nullptr;
  if (k->open(0, 1, &d) != SWIRL_OK) return 1;
  swirl_device_info info;
  k->describe(d, &info);
  std::printf("%s, %s: P %d a %d o %d N %d K %d G %d: %d rows, %zu segments, %.2f M pairs a head\n",
              info.description, info.isa, shape[0], shape[1], shape[2], shape[3], shape[4], shape[5],
              tree.rows, tree.begin.size(), tree.pairs / 1e6);
  const swirl_attention_shape heads = {9, 3, 64, 0, 0.125f, 0};
  const int ld = 960;
  const auto memory = [&](size_t bytes) {
    void* out = nullptr;
    if (k->allocate(d, bytes, &out) != SWIRL_OK) std::abort();
    return static_cast<char*>(out);
  };
  for (const swirl_dtype dtype : {SWIRL_BFLOAT16, SWIRL_FLOAT32}) {
    const size_t width = dtype == SWIRL_FLOAT32 ? 4 : 2, count = size_t(tree.rows) * ld;
    char* qkv = memory(count * width);
    char* gradient = memory(count * width);
    char* out = memory(count * width);
    char* dout = memory(count * width);
    float* lse = reinterpret_cast<float*>(memory(size_t(tree.rows) * 9 * 4));
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = float(int(i * 2654435761u % 2001) - 1000) / 1000;
    k->convert(d, qkv, dtype, values.data(), SWIRL_FLOAT32, count);
    k->convert(d, dout, dtype, values.data(), SWIRL_FLOAT32, count);
    const double flops = tree.pairs * heads.heads * heads.head_dim * 4;
    const double forward = median_seconds([&] {
      k->attention_forward(d, &heads, &view, qkv, ld, qkv + 576 * width, ld, qkv + 768 * width, ld, out, 576,
                           lse, dtype);
    });
    const double backward = median_seconds([&] {
      k->attention_backward(d, &heads, &view, tree.rows, qkv, ld, qkv + 576 * width, ld, qkv + 768 * width,
                            ld, out, 576, lse, dout, 576, gradient, gradient + 576 * width,
                            gradient + 768 * width, dtype);
    });
    std::printf("%s  forward %8.2f ms %6.1f GFLOP/s   backward %8.2f ms %6.1f GFLOP/s\n",
                dtype == SWIRL_FLOAT32 ? "float32 " : "bfloat16", forward * 1e3, flops / forward / 1e9,
                backward * 1e3, 2.5 * flops / backward / 1e9);
    for (char* p : {qkv, gradient, out, dout, reinterpret_cast<char*>(lse)}) k->release(d, p);
  }
  k->close(d);
  return 0;
}
