#include <cstdarg>
#include <cstdio>
#include <string>

#include "cuda/device.h"
#include "cuda/ops.h"

namespace swirl::cuda {
namespace {

// Why the last open failed, or why there is no device. One text for the process: a thread_local would be
// shared memory to the emulation.
std::string& open_error() {
  static auto* text = new std::string;
  return *text;
}

}  // namespace

swirl_status fail(swirl_device* device, swirl_status status, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  (device != nullptr ? device->error : open_error()) = text;
  return status;
}

const char* device_last_error(const swirl_device* device) {
  return (device != nullptr ? device->error : open_error()).c_str();
}

}  // namespace swirl::cuda
