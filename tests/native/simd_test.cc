// The vector operations that the kernels rest on: exp and tanh to the last digits and at their ends,
// conversions, transposes, partial loads and stores.
#include "check.h"

#define SWIRL_BODY "tests/native/simd_test.inl"
#include "native/cpu/each_isa.h"

namespace {

void run(check::Device&) {
  using namespace swirl;
  SWIRL_DISPATCH(test_simd());
}

}  // namespace

int main() { return check::test_main("simd", run); }
