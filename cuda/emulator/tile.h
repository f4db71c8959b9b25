// cuda/tile.cuh on the CPU: each wrapper is a barrier of the warp's 32 lanes, with the fragment layouts of the
// PTX manual. Products are exact and summed in float64 over k ascending, then rounded once; a GPU's order of
// sums within one product is not documented.
#ifndef SWIRL_CUDA_EMULATOR_TILE_H_
#define SWIRL_CUDA_EMULATOR_TILE_H_

#include <cstdint>

#include "cuda/emulator/async_copy.h"
#include "cuda/emulator/barrier.h"
#include "cuda/emulator/language.h"

namespace swirl::emulator {

#define SWIRL_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

struct MatrixProduct {
  float* d;
  const uint32_t *a, *b;
};
void multiply(void* const* lanes, uint32_t mask);

__forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                  SWIRL_CALLER) {
  MatrixProduct own = {d, a, b};
  warp_barrier(0xffffffffu, {"mma_m16n8k16", file, line}, &own, multiply);
}

struct MatrixLoad {
  uint32_t* to;
  const void* row;
};
template <int kMatrices, bool kTransposed>
void load_matrices(void* const* lanes, uint32_t mask);

template <int kMatrices, bool kTransposed>
__forceinline__ void ldmatrix(uint32_t* to, const void* shared, const char* op, const char* file, int line) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0)
    stop("%s from %p, which is not 16-byte aligned", op, shared);
  MatrixLoad own = {to, shared};
  warp_barrier(0xffffffffu, {op, file, line}, &own, load_matrices<kMatrices, kTransposed>);
}
__forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* shared, SWIRL_CALLER) {
  ldmatrix<4, false>(r, shared, "ldmatrix_x4", file, line);
}
__forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared, SWIRL_CALLER) {
  ldmatrix<4, true>(r, shared, "ldmatrix_x4_trans", file, line);
}
__forceinline__ void ldmatrix_x2(uint32_t (&r)[2], const void* shared, SWIRL_CALLER) {
  ldmatrix<2, false>(r, shared, "ldmatrix_x2", file, line);
}
__forceinline__ void ldmatrix_x2_trans(uint32_t (&r)[2], const void* shared, SWIRL_CALLER) {
  ldmatrix<2, true>(r, shared, "ldmatrix_x2_trans", file, line);
}

__forceinline__ void copy_async_16(void* shared, const void* global, bool valid) {
  copy_async(shared, global, valid);
}
__forceinline__ void copy_async_commit() { copy_async_close(); }
template <int N>
__forceinline__ void copy_async_wait() {
  copy_async_finish(N);
}

#undef SWIRL_CALLER

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_TILE_H_
