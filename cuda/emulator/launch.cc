#include "cuda/emulator/launch.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace swirl::emulator {

Position position;
Launch launch;

namespace {

const char* base_name(const char* file) {
  const char* slash = std::strrchr(file, '/');
  return slash == nullptr ? file : slash + 1;
}

}  // namespace

const Thread* waiting_for(const Thread& thread) {
  const int number = thread.number / kLanes, lane = thread.number % kLanes;
  const Warp& warp = launch.warps[static_cast<size_t>(number)];
  for (int i = 0; i < kLanes && warp.waiting != 0; ++i) {
    if ((warp.waiting >> i & 1u) == 0) continue;
    const Thread& other = thread_of(number, i);
    if ((other.mask >> lane & 1u) != 0) return &other;
  }
  return nullptr;
}

void leave(Thread* thread, bool last) { switch_to(&thread->context, &launch.scheduler, last); }

std::string where(const Thread& thread) {
  char text[160];
  std::snprintf(text, sizeof text, "%s: block (%u, %u, %u), thread (%u, %u, %u)", launch.op,
                position.block_index.x, position.block_index.y, position.block_index.z, thread.index.x,
                thread.index.y, thread.index.z);
  return text;
}

std::string text(const Site& site) {
  return std::string(site.op) + " at " + base_name(site.file) + ":" + std::to_string(site.line);
}

int lane() { return launch.running->number % kLanes; }

void stop(const char* format, ...) {
  char what[768];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  std::snprintf(launch.error, sizeof launch.error, "%s: %s", where(*launch.running).c_str(), what);
  launch.failed = true;
  leave(launch.running, true);
  std::abort();  // never resumed
}

}  // namespace swirl::emulator
