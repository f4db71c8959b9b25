// Bytes as people read them: whole MiB, whole KiB below ten of them.
#pragma once
#include <cstdint>
#include <string>

namespace swirl {

inline std::string memory_text(uint64_t bytes) {
  return bytes >> 20 < 10 ? std::to_string(bytes >> 10) + " KiB" : std::to_string(bytes >> 20) + " MiB";
}

}  // namespace swirl
