// Formats bytes for messages: in whole MiB, or in whole KiB below 10 MiB.
#pragma once
#include <cstdint>
#include <string>

namespace swirl {

inline std::string memory_text(uint64_t bytes) {
  return bytes >> 20 < 10 ? std::to_string(bytes >> 10) + " KiB" : std::to_string(bytes >> 20) + " MiB";
}

}  // namespace swirl
