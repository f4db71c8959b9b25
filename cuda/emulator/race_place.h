// A place in the program as 32 bits, and as people read it.
#ifndef SWIRL_CUDA_EMULATOR_RACE_PLACE_H_
#define SWIRL_CUDA_EMULATOR_RACE_PLACE_H_

#include <cstdint>
#include <string>

namespace swirl::emulator::races {

// Where this module lies; find_module() finds it.
extern const char* module_begin;
void find_module();
// Of the address after a call in the module.
inline uint32_t place(const void* code) {
  return static_cast<uint32_t>(static_cast<const char*>(code) - module_begin);
}
// "attention_walk.cuh:102, from attention_forward.cu:77": the line, and those that it was inlined into. Needs addr2line
// (binutils) and a build with -g1; without them, the address in the module.
std::string lines(uint32_t place);

}  // namespace swirl::emulator::races

#endif  // SWIRL_CUDA_EMULATOR_RACE_PLACE_H_
