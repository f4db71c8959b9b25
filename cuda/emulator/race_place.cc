#include "cuda/emulator/race_place.h"

#include <dlfcn.h>

#include <cstdio>

namespace swirl::emulator::races {
namespace {

const Dl_info& module() {
  static const Dl_info info = [] {
    Dl_info found = {};
    dladdr(reinterpret_cast<const void*>(&place), &found);
    return found;
  }();
  return info;
}

}  // namespace

uint32_t place(const void* code) {
  return static_cast<uint32_t>(static_cast<const char*>(code) - static_cast<const char*>(module().dli_fbase));
}

std::string lines(uint32_t place) {
  char text[1024];
  std::snprintf(text, sizeof text, "%s+0x%x", module().dli_fname, place - 1);
  std::string out, address = text;
  std::snprintf(text, sizeof text, "addr2line -i -s -e '%s' 0x%x 2>/dev/null", module().dli_fname, place - 1);
  FILE* answer = popen(text, "r");
  if (answer == nullptr) return address;
  for (int i = 0; std::fgets(text, sizeof text, answer) != nullptr; ++i) {
    std::string line = text;
    line = line.substr(0, line.find_first_of(" \n"));  // without "(discriminator 2)"
    if (i < 4 && line[0] != '?') out += (out.empty() ? "" : ", from ") + line;
  }
  pclose(answer);
  return out.empty() ? address : out;
}

}  // namespace swirl::emulator::races
