#include "native/cpu/device.h"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>

#include "native/cpu/gemm.h"
#include "native/cpu/isa.h"
#include "native/cpu/ops.h"

namespace {

void* aligned(size_t bytes) {
  void* out = nullptr;
  return posix_memalign(&out, 64, bytes) == 0 ? out : nullptr;
}

}  // namespace

bool swirl_device::reserve(size_t bytes) {
  if (bytes <= scratch_each_) return true;
  const size_t each =
      (bytes + 4095) / 4096 * 4096 + 256;  // not a multiple of a page: fewer cache set conflicts
  std::free(scratch_);
  scratch_each_ = 0;
  scratch_ = static_cast<char*>(aligned(each * static_cast<size_t>(threads)));
  if (scratch_ == nullptr) return false;
  scratch_each_ = each;
  return true;
}

bool swirl_device::reserve_shared(size_t bytes) {
  if (bytes <= shared_bytes_) return true;
  std::free(shared_);
  shared_bytes_ = 0;
  shared_ = static_cast<char*>(aligned(bytes));
  if (shared_ == nullptr) return false;
  shared_bytes_ = bytes;
  return true;
}

swirl_device::~swirl_device() {
  swirl::close_matrix_library(matrix);
  std::free(scratch_);
  std::free(shared_);
}

namespace swirl {
namespace {

thread_local std::string open_error;

// "model name" of /proc/cpuinfo, or the architecture.
std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0) {
      const size_t colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return "processor";
}

// MemAvailable of /proc/meminfo in bytes; 0 when unknown.
uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  uint64_t kib = 0;
  std::string unit;
  while (file >> key >> kib >> unit) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return 0;
}

int online_cores() {
#if defined(_OPENMP)
  return omp_get_num_procs();
#else
  return 1;
#endif
}

template <size_t N>
void put(char (&to)[N], const std::string& text) {
  std::snprintf(to, N, "%s", text.c_str());
}

}  // namespace

swirl_status fail(swirl_device* device, swirl_status status, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  (device != nullptr ? device->error : open_error) = text;
  return status;
}

swirl_status out_of_scratch(swirl_device* device, const char* op, size_t bytes) {
  return fail(device, SWIRL_OUT_OF_MEMORY, "%s: no memory for %zu bytes of scratch on each of %d threads", op,
              bytes, device->threads);
}

int32_t device_count() { return 1; }

swirl_status device_open(int32_t ordinal, int32_t threads, swirl_device** out) {
  *out = nullptr;
  if (ordinal != 0)
    return fail(nullptr, SWIRL_INVALID, "cpu:%d does not exist: there is one CPU device", ordinal);
  if (threads < 0 || threads > 1024)
    return fail(nullptr, SWIRL_INVALID, "threads is %d: use 0 (all cores) to 1024", threads);
  swirl_device* device = new (std::nothrow) swirl_device;
  if (device == nullptr) return fail(nullptr, SWIRL_OUT_OF_MEMORY, "cpu: no memory for the device");
  device->threads = threads == 0 ? online_cores() : threads;
#if !defined(_OPENMP)
  device->threads = 1;
#endif
  const swirl_status status = open_matrix_library(device);
  if (status != SWIRL_OK) {
    open_error = device->error;
    delete device;
    return status;
  }
  *out = device;
  return SWIRL_OK;
}

void device_close(swirl_device* device) { delete device; }

const char* device_last_error(const swirl_device* device) {
  return (device != nullptr ? device->error : open_error).c_str();
}

swirl_status device_describe(swirl_device* device, swirl_device_info* out) {
  std::memset(out, 0, sizeof *out);
  put(out->name, "cpu");
  put(out->description, processor_name());
  put(out->matrix_library, matrix_library_name(device->matrix));
  put(out->isa, isa_list());
  out->memory_bytes =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t available = available_memory();
  out->memory_free = available != 0 ? available : out->memory_bytes;
  out->cores = device->threads;
  out->batch_rows = 1024;
  return SWIRL_OK;
}

swirl_status device_synchronize(swirl_device*) { return SWIRL_OK; }

}  // namespace swirl
