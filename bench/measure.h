// What a benchmark of kernels needs on any table: the device, operands beyond its caches, times, and a report
// that puts each time over its floor (work.h) at the peaks measured in the same run (peaks.h).
#ifndef SWIRL_BENCH_MEASURE_H_
#define SWIRL_BENCH_MEASURE_H_

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "native/kernels/kernels.h"
#include "native/kernels/peaks.h"
#include "native/kernels/registry.h"
#include "native/kernels/size_of.h"
#include "native/kernels/work.h"

namespace bench {

[[noreturn]] inline void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

// name: "cpu", "cuda", "cuda:1". threads: of the CPU, 0 = all.
class Device {
 public:
  const swirl_kernels* k = nullptr;
  swirl_device* d = nullptr;

  Device(const std::string& name, int threads) {
    const size_t colon = name.find(':');
    std::string reason;
    k = swirl::find_kernels(name.substr(0, colon), &reason);
    if (k == nullptr) give_up(name + ": " + reason);
    const int ordinal = colon == std::string::npos ? 0 : std::atoi(name.c_str() + colon + 1);
    if (k->open(ordinal, threads, &d) != SWIRL_OK) give_up(name + ": " + k->last_error(nullptr));
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { k->close(d); }

  void ok(swirl_status status, const char* what) const {
    if (status != SWIRL_OK) give_up(std::string(what) + ": " + k->last_error(d));
  }
  void* allocate(size_t bytes) const {
    void* out = nullptr;
    ok(k->allocate(d, bytes, &out), "allocate");
    return out;
  }
};

// Random numbers in [-1, 1) times `scale` on the device, in as many copies as exceed its caches: call i takes
// copy i, so that no call finds its operands where the call before left them.
class Operand {
 public:
  Operand(const Device& device, size_t beyond_caches, swirl_dtype dtype, size_t count, float scale = 1)
      : device_(device) {
    const size_t bytes = count * swirl::size_of(dtype);
    stride_ = (bytes + 255) / 256 * 256;
    copies_ = std::max<size_t>(1, (beyond_caches + stride_ - 1) / stride_);
    memory_ = static_cast<char*>(device.allocate(stride_ * copies_));
    fill(dtype, count, scale);
    for (size_t i = 1; i < copies_; ++i)
      device.ok(device.k->copy(device.d, memory_ + i * stride_, memory_, bytes), "copy");
  }
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;
  ~Operand() { device_.k->release(device_.d, memory_); }

  void* at(size_t call) const { return memory_ + call % copies_ * stride_; }
  float* f(size_t call) const { return static_cast<float*>(at(call)); }

 private:
  void fill(swirl_dtype dtype, size_t count, float scale) {
    const size_t block = std::min(count, size_t(1) << 20), element = swirl::size_of(dtype);
    std::vector<float> values(block);
    uint32_t state = 1;
    for (float& value : values) {
      state = state * 1664525u + 1013904223u;
      value = (float(state >> 8) / float(1 << 23) - 1) * scale;
    }
    void* noise = device_.allocate(block * 4);
    device_.ok(device_.k->upload(device_.d, noise, values.data(), block * 4), "upload");
    for (size_t at = 0; at < count; at += block)
      device_.ok(device_.k->convert(device_.d, memory_ + at * element, dtype, noise, SWIRL_FLOAT32,
                                    std::min(block, count - at)),
                 "convert");
    device_.k->release(device_.d, noise);
  }

  const Device& device_;
  char* memory_;
  size_t stride_, copies_;
};

// Integers on the device.
class Ints {
 public:
  Ints(const Device& device, const std::vector<int32_t>& values) : device_(device) {
    memory_ = static_cast<int32_t*>(device.allocate(values.size() * 4));
    device.ok(device.k->upload(device.d, memory_, values.data(), values.size() * 4), "upload");
  }
  Ints(const Ints&) = delete;
  Ints& operator=(const Ints&) = delete;
  ~Ints() { device_.k->release(device_.d, memory_); }
  const int32_t* data() const { return memory_; }

 private:
  const Device& device_;
  int32_t* memory_;
};

struct Row {
  std::string what, op;
  int calls;           // in each of the rounds
  double seconds;      // a call, median of the rounds
  double least, most;  // of the rounds
  swirl::Work work;
  double floor;  // seconds
};

// Wall-clock time: calls in a row, then one wait for the device, as the engine makes them.
class Bench {
 public:
  Bench(const Device& device, double round_seconds, int rounds)
      : device_(device),
        peaks_(swirl::measure_peaks(*device.k, device.d)),
        round_(round_seconds),
        rounds_(rounds) {}

  // body(i) makes call i and returns its status.
  template <class Body>
  void run(const std::string& what, const swirl::Work& work, const Body& body) {
    size_t call = 0;
    const double first = time(1, &call, work.op, body);
    const double again = std::min(first, time(1, &call, work.op, body));
    const int calls = static_cast<int>(std::max(1.0, std::min(1000.0, round_ / std::max(again, 1e-7))));
    std::vector<double> times;
    for (int i = 0; i < rounds_; ++i) times.push_back(time(calls, &call, work.op, body) / calls);
    std::sort(times.begin(), times.end());
    rows_.push_back({what, work.op, calls, times[times.size() / 2], times.front(), times.back(), work,
                     peaks_.floor(work.flops, work.dtype, work.bytes)});
    const Row& row = rows_.back();
    std::fprintf(stderr, "%-42s %10.1f us %8.1f GB/s %9.1f GFLOP/s %6.2f of the floor's time\n", what.c_str(),
                 row.seconds * 1e6, work.bytes / row.seconds / 1e9, work.flops / row.seconds / 1e9,
                 row.floor > 0 ? row.seconds / row.floor : 0);
  }

  const swirl::Peaks& peaks() const { return peaks_; }
  const std::vector<Row>& rows() const { return rows_; }

 private:
  template <class Body>
  double time(int calls, size_t* call, const char* op, const Body& body) {
    device_.ok(device_.k->synchronize(device_.d), "synchronize");
    const auto started = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) device_.ok(body((*call)++), op);
    device_.ok(device_.k->synchronize(device_.d), "synchronize");
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  }

  const Device& device_;
  swirl::Peaks peaks_;
  double round_;
  int rounds_;
  std::vector<Row> rows_;
};

inline std::string quoted(const char* text) {
  std::string out = "\"";
  for (; *text != 0; ++text) {
    if (*text == '"' || *text == '\\') out += '\\';
    if (static_cast<unsigned char>(*text) >= 0x20) out += *text;
  }
  return out + "\"";
}

// One JSON object into that file, "-" for standard output, nowhere when it has no name: the device, the peaks,
// the shape as given, a row for each case. Times in seconds.
inline void write_json(const std::string& file, const Device& device, const Bench& bench,
                       const std::string& shape) {
  if (file.empty()) return;
  std::FILE* to = file == "-" ? stdout : std::fopen(file.c_str(), "w");
  if (to == nullptr) give_up("--json " + file + ": cannot be written");
  swirl_device_info info = {};
  device.ok(device.k->describe(device.d, &info), "describe");
  const swirl::Peaks& p = bench.peaks();
  std::fprintf(to, "{\n  \"device\": %s, \"description\": %s, \"isa\": %s, \"matrixLibrary\": %s,\n",
               quoted(info.name).c_str(), quoted(info.description).c_str(), quoted(info.isa).c_str(),
               quoted(info.matrix_library).c_str());
  std::fprintf(to, "  \"peaks\": {\"float32\": %.6g, \"bfloat16\": %.6g, \"bytes\": %.6g},\n",
               p.float32.best(), p.bfloat16.best(), p.bytes);
  std::fprintf(to, "  \"shape\": %s,\n  \"cases\": [", shape.c_str());
  const char* comma = "";
  for (const Row& row : bench.rows()) {
    std::fprintf(
        to,
        "%s\n    {\"case\": %s, \"op\": %s, \"calls\": %d, \"seconds\": %.6g, \"least\": %.6g, \"most\": "
        "%.6g, \"bytes\": %.6g, \"flops\": %.6g, \"floor\": %.6g}",
        comma, quoted(row.what.c_str()).c_str(), quoted(row.op.c_str()).c_str(), row.calls, row.seconds,
        row.least, row.most, row.work.bytes, row.work.flops, row.floor);
    comma = ",";
  }
  std::fprintf(to, "\n  ]\n}\n");
  if (to != stdout) std::fclose(to);
}

}  // namespace bench

#endif  // SWIRL_BENCH_MEASURE_H_
