#include "device.h"

#include "../kernels/registry.h"
#include "error.h"
#include "memory_text.h"

namespace swirl {
namespace {

constexpr const char* kAfterLoss =
    "start a new process; a run resumes from its last checkpoint. If it happens again, run `nvidia-smi -q` "
    "and set "
    "SWIRL_CUDA_SYNC=1, which names the kernel at fault";

}  // namespace

Device::Device(const std::string& name, int32_t threads, bool profile) {
  const auto colon = name.find(':');
  const std::string kind = name.substr(0, colon);
  int32_t ordinal = 0;
  if (colon != std::string::npos) {
    const std::string digits = name.substr(colon + 1);
    if (digits.empty() || digits.size() > 4 || digits.find_first_not_of("0123456789") != std::string::npos) {
      throw Error("DEVICE", "open", "\"" + name + "\" is not a device name", "use cpu, cuda or cuda:1");
    }
    ordinal = std::stoi(digits);
  }
  std::string reason;
  kernels_ = find_kernels(kind, &reason);
  if (!kernels_) {
    throw Error("DEVICE", "open", "device \"" + name + "\" is not available: " + reason,
                "run `swirl doctor` to see what is, or use device: \"cpu\"");
  }
  if (ordinal >= kernels_->count()) {
    throw Error("DEVICE", "open",
                "device \"" + name + "\" does not exist: " + std::to_string(kernels_->count()) + " " + kind +
                    " device(s) found",
                "run `swirl doctor` to list them");
  }
  const swirl_status opened = kernels_->open(ordinal, threads, &handle_);
  if (opened != SWIRL_OK) {
    const std::string message = "device \"" + name + "\" failed to open: " + kernels_->last_error(nullptr);
    if (opened == SWIRL_DEVICE_LOST) throw Error("DEVICE_LOST", "open", message, kAfterLoss);
    throw Error(opened == SWIRL_OUT_OF_MEMORY ? "MEMORY" : "DEVICE", "open", message,
                opened == SWIRL_OUT_OF_MEMORY ? "free memory on this machine" : "run `swirl doctor`");
  }
  const swirl_status described = kernels_->describe(handle_, &info_);
  if (described != SWIRL_OK) {
    const Error error = failure(described, "describe", "");
    kernels_->close(handle_);
    throw error;
  }
  if (profile) {
    profile_ = std::make_unique<Profile>(*kernels_, handle_);
    kernels_ = profile_->table();
    handle_ = profile_->handle();
  }
}

Device::~Device() {
  if (handle_) kernels_->close(handle_);
}

void Device::check(swirl_status status, const char* op, const std::string& shapes) const {
  if (status != SWIRL_OK) throw failure(status, op, shapes);
}

Error Device::failure(swirl_status status, const char* op, const std::string& shapes) const {
  const char* said = kernels_->last_error(handle_);
  std::string message = std::string(op) + (shapes.empty() ? "" : " " + shapes) + " failed";
  if (said && *said) message += std::string(": ") + said;
  switch (status) {
    case SWIRL_OUT_OF_MEMORY:
      return Error("MEMORY", op, message, "use a smaller batch, memoryBudget or model");
    case SWIRL_UNSUPPORTED:
      return Error("DEVICE", op, message, "use device: \"cpu\", which supports every model");
    case SWIRL_DEVICE_LOST:
      return Error("DEVICE_LOST", op, message, kAfterLoss);
    default:
      return Error("INTERNAL", op, message, "please report this with the output of `swirl doctor`");
  }
}

void* Device::allocate(size_t bytes, const char* what) {
  if (bytes > budget_ || bytes_ > budget_ - bytes) {
    throw Error("MEMORY", "allocate",
                "could not allocate " + std::to_string(bytes) + " bytes for " + what + ": of the budget of " +
                    std::to_string(budget_) + ", " + std::to_string(bytes_) + " are in use",
                "raise memoryBudget, or use fewer or shorter sequences at once");
  }
  void* pointer = nullptr;
  const swirl_status status = kernels_->allocate(handle_, bytes, &pointer);
  const std::string need = memory_text(bytes) + " for " + what + " (" + memory_text(bytes_) + " in use)";
  if (status == SWIRL_OUT_OF_MEMORY) {
    const char* said = kernels_->last_error(handle_);
    throw Error("MEMORY", "allocate",
                "could not allocate " + need + (said && *said ? std::string(": ") + said : ""),
                "use a smaller batch or model, or free memory");
  }
  check(status, "allocate", need);
  bytes_ += bytes;
  if (bytes_ > peak_bytes_) peak_bytes_ = bytes_.load();
  return pointer;
}

void Device::release(void* pointer, size_t bytes) {
  kernels_->release(handle_, pointer);
  bytes_ -= bytes;
}

void Device::upload(void* to, const void* from, size_t bytes) const {
  if (bytes) check(kernels_->upload(handle_, to, from, bytes), "upload");
}

void Device::download(void* to, const void* from, size_t bytes) const {
  if (bytes) check(kernels_->download(handle_, to, from, bytes), "download");
}

void Buffer::resize(size_t bytes) {
  if (bytes == bytes_) return;
  if (pointer_) device_.release(pointer_, bytes_);
  pointer_ = nullptr;
  bytes_ = 0;
  if (!bytes) return;
  pointer_ = device_.allocate(bytes, what_);
  bytes_ = bytes;
}

void Buffer::zero() {
  if (bytes_) device_.check(device_.kernels().zero(device_.handle(), pointer_, bytes_), "zero");
}

}  // namespace swirl
