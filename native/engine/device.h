// Device: an opened device of a kernel table. Turns statuses into errors and counts memory.
#ifndef SWIRL_ENGINE_DEVICE_H_
#define SWIRL_ENGINE_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../kernels/kernels.h"
#include "../kernels/profile.h"
#include "../kernels/size_of.h"
#include "error.h"

namespace swirl {

class Device {
 public:
  // name: "cpu", "cuda", "cuda:1". Throws Error("DEVICE") with the reason. `profile` wraps the kernel table in one
  // that times every kernel; the rest of the engine is unaffected.
  Device(const std::string& name, int32_t threads, bool profile = false);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const swirl_kernels& kernels() const { return *kernels_; }
  swirl_device* handle() const { return handle_; }
  Profile* profile() const { return profile_.get(); }  // null unless opened with `profile`

  // Throws the error for a failed status; `op` and `shapes` go into its message. DEVICE_LOST: every later call on the
  // device fails with it too, and objects that hold its memory can still be destroyed.
  void check(swirl_status status, const char* op, const std::string& shapes = "") const;

  const swirl_device_info& info() const { return info_; }  // when it was opened; any thread

  // Maximum bytes allocated at once; no limit until set. Set it before other threads read it.
  void set_budget(uint64_t bytes) { budget_ = bytes; }
  uint64_t budget() const { return budget_; }  // any thread

  // Throws Error("MEMORY"), and allocates nothing, if the budget or the device has too little memory.
  void* allocate(size_t bytes, const char* what);
  void release(void* pointer, size_t bytes);
  void upload(void* to, const void* from, size_t bytes) const;
  void download(void* to, const void* from, size_t bytes) const;

  uint64_t bytes() const { return bytes_; }            // any thread
  uint64_t peak_bytes() const { return peak_bytes_; }  // any thread
  void reset_peak() { peak_bytes_ = bytes_.load(); }

 private:
  const swirl_kernels* kernels_ = nullptr;
  swirl_device* handle_ = nullptr;
  Error failure(swirl_status, const char* op, const std::string& shapes) const;

  std::unique_ptr<Profile> profile_;
  swirl_device_info info_{};
  uint64_t budget_ = UINT64_MAX;
  std::atomic<uint64_t> bytes_{0}, peak_bytes_{0};
};

// Owns device memory. Empty until resized.
class Buffer {
 public:
  Buffer(Device& device, const char* what) : device_(device), what_(what) {}
  ~Buffer() { resize(0); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Contents are undefined after the size changes.
  void resize(size_t bytes);
  // Resizes only if it is too small.
  void reserve(size_t bytes) {
    if (bytes > bytes_) resize(bytes);
  }
  void zero();
  void swap(Buffer& other) {  // of the same device
    std::swap(pointer_, other.pointer_);
    std::swap(bytes_, other.bytes_);
  }
  template <typename T>
  T* as() const {
    return static_cast<T*>(pointer_);
  }
  size_t bytes() const { return bytes_; }
  explicit operator bool() const { return pointer_ != nullptr; }

 private:
  Device& device_;
  const char* what_;
  void* pointer_ = nullptr;
  size_t bytes_ = 0;
};

// Carves one buffer into aligned pieces. Without a buffer it only adds up their sizes, so that planning and use
// share the same code.
class Arena {
 public:
  explicit Arena(void* base = nullptr) : base_(static_cast<uint8_t*>(base)) {}

  template <typename T>
  T* take(size_t count) {
    return static_cast<T*>(take_bytes(count * sizeof(T)));
  }
  void* take_bytes(size_t bytes) {
    const size_t at = used_;
    used_ += (bytes + 63) / 64 * 64;
    return base_ ? base_ + at : nullptr;
  }
  size_t used() const { return used_; }

 private:
  uint8_t* base_;
  size_t used_ = 0;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_DEVICE_H_
