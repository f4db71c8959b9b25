#include <cstdarg>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "cuda/device.h"
#include "cuda/ops.h"

namespace swirl::cuda {
namespace {

// Why this thread's last open failed, or why there is no device. A map, because the emulation treats thread_local
// variables as shared memory.
std::string& open_error() {
  static auto* guard = new std::mutex;
  static auto* texts = new std::map<std::thread::id, std::string>;
  const std::lock_guard<std::mutex> held(*guard);
  return (*texts)[std::this_thread::get_id()];
}

}  // namespace

swirl_status fail(swirl_device* device, swirl_status status, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (device != nullptr && device->lost) return SWIRL_DEVICE_LOST;
  (device != nullptr ? device->error : open_error()) = text;
  return status;
}

const char* device_last_error(const swirl_device* device) {
  return (device != nullptr ? device->error : open_error()).c_str();
}

}  // namespace swirl::cuda
