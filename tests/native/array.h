// Arrays of the per-op tests: written and read on the host by index, given to kernels by data(), f() and row(),
// which are device pointers. What is newer is copied over when the other side asks; so call set() before the
// pointer is taken, not after.
#ifndef SWIRL_TESTS_ARRAY_H_
#define SWIRL_TESTS_ARRAY_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "device.h"
#include "native/cpu/bfloat16.h"
#include "native/kernels/size_of.h"

namespace check {

using Rng = std::mt19937_64;
inline double uniform(Rng& rng, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(rng);
}
inline int integer(Rng& rng, int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng); }

using Reference = std::vector<double>;

// Bytes on the host with a copy on the current device.
class Mirror {
 public:
  explicit Mirror(size_t bytes) : host_(bytes) {}
  explicit Mirror(std::vector<char> bytes) : host_(std::move(bytes)) {}
  Mirror(const Mirror& other) : host_(other.read()) {}
  Mirror& operator=(const Mirror&) = delete;
  ~Mirror() {
    if (memory_ != nullptr) owner_->k->release(owner_->d, memory_);
  }

  const std::vector<char>& read() const {
    if (device_is_newer_)
      owner_->ok(owner_->k->download(owner_->d, host_.data(), memory_, host_.size()), "download");
    device_is_newer_ = false;
    return host_;
  }
  std::vector<char>& write() {
    read();
    host_is_newer_ = true;
    return host_;
  }
  const char* device() const {
    if (memory_ == nullptr) {
      owner_ = Device::current();
      owner_->ok(owner_->k->allocate(owner_->d, host_.size(), &memory_), "allocate");
    }
    if (host_is_newer_ && !host_.empty())
      owner_->ok(owner_->k->upload(owner_->d, memory_, host_.data(), host_.size()), "upload");
    host_is_newer_ = false;
    return static_cast<const char*>(memory_);
  }
  char* device_written() {
    const char* pointer = device();
    device_is_newer_ = true;
    return const_cast<char*>(pointer);
  }

 private:
  mutable std::vector<char> host_;
  mutable void* memory_ = nullptr;
  mutable const Device* owner_ = nullptr;
  mutable bool host_is_newer_ = true, device_is_newer_ = false;
};

// Storage of a dtype, with a float64 view of exactly what is stored.
class Array {
 public:
  Array(swirl_dtype dtype, size_t count, double fill = 0)
      : dtype_(dtype), count_(count), mirror_(count * swirl::size_of(dtype)) {
    for (size_t i = 0; i < count; ++i) set(i, fill);
  }
  Array(const Array& other) = default;
  Array& operator=(const Array&) = delete;

  static Array random(Rng& rng, swirl_dtype dtype, size_t count, double scale = 1) {
    Array out(dtype, count);
    for (size_t i = 0; i < count; ++i) out.set(i, uniform(rng, -scale, scale));
    return out;
  }
  static Array of(swirl_dtype dtype, const Reference& values) {
    Array out(dtype, values.size());
    for (size_t i = 0; i < values.size(); ++i) out.set(i, values[i]);
    return out;
  }

  // On the device. The kernel that gets the pointer of a non-const Array may write there.
  void* data() { return mirror_.device_written(); }
  const void* data() const { return mirror_.device(); }
  float* f() { return static_cast<float*>(data()); }
  const float* f() const { return static_cast<const float*>(data()); }
  const char* row(size_t first) const { return mirror_.device() + first * width(); }

  // On the host.
  double operator[](size_t i) const {
    if (dtype_ == SWIRL_FLOAT32) return host<float>()[i];
    return swirl::to_float(host<swirl::bfloat16>()[i]);
  }
  void set(size_t i, double x) {
    char* at = mirror_.write().data() + i * width();
    if (dtype_ == SWIRL_FLOAT32) {
      *reinterpret_cast<float*>(at) = static_cast<float>(x);
    } else {
      *reinterpret_cast<swirl::bfloat16*>(at) = swirl::to_bfloat16(static_cast<float>(x));
    }
  }
  Reference values() const {
    Reference out(count_);
    for (size_t i = 0; i < count_; ++i) out[i] = (*this)[i];
    return out;
  }
  // Whether the first `count` elements (all, when left out) are those of `other` from `first` on, to the bit.
  bool same_bits(const Array& other, size_t first = 0, size_t count = SIZE_MAX) const {
    count = std::min(count, count_);
    return dtype_ == other.dtype_ && first + count <= other.count_ &&
           std::memcmp(mirror_.read().data(), other.mirror_.read().data() + first * width(),
                       count * width()) == 0;
  }

  size_t size() const { return count_; }
  size_t bytes() const { return count_ * width(); }
  size_t width() const { return swirl::size_of(dtype_); }
  swirl_dtype dtype() const { return dtype_; }

 private:
  template <class T>
  const T* host() const {
    return reinterpret_cast<const T*>(mirror_.read().data());
  }
  swirl_dtype dtype_;
  size_t count_;
  Mirror mirror_;
};

// Integers for a kernel to read: token ids, indices, the fields of a tree.
class Ints {
 public:
  Ints(const std::vector<int32_t>& values)
      : mirror_(std::vector<char>(reinterpret_cast<const char*>(values.data()),
                                  reinterpret_cast<const char*>(values.data() + values.size()))) {}
  const int32_t* data() const { return reinterpret_cast<const int32_t*>(mirror_.device()); }

 private:
  Mirror mirror_;
};

// A tree whose arrays lie on the host (as random_tree.h makes them), copied to the device:
//   const check::TreeOnDevice on(tree.view());   kernel(…, &on.view, …)
class TreeOnDevice {
 public:
  explicit TreeOnDevice(const swirl_tree& host) : view(host) {
    const int32_t intervals = host.segments > 0 ? host.path_offset[host.segments] : 0;
    put(&view.position, host.rows);
    put(&view.query_begin, host.segments);
    put(&view.query_end, host.segments);
    put(&view.path_offset, host.segments + 1);
    put(&view.path_begin, intervals);
    put(&view.path_end, intervals);
    put(&view.path_length, host.segments);
    put(&view.key_begin, host.key_runs);
    put(&view.key_end, host.key_runs);
    put(&view.key_position, host.key_runs);
    put(&view.key_query_begin, host.key_runs);
    put(&view.key_query_end, host.key_runs);
  }
  TreeOnDevice(const TreeOnDevice&) = delete;
  TreeOnDevice& operator=(const TreeOnDevice&) = delete;
  swirl_tree view;

 private:
  void put(const int32_t** field, int32_t count) {
    if (*field == nullptr) return;
    owned_.push_back(Ints(std::vector<int32_t>(*field, *field + count)));
    *field = owned_.back().data();
  }
  std::deque<Ints> owned_;
};

}  // namespace check

#endif  // SWIRL_TESTS_ARRAY_H_
