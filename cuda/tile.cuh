// The warp's matrix tiles: one product of m16n8k16, loads of 8×8 matrices from shared memory, and copies from
// global to shared memory that run during the computation. Every lane of the warp calls them together.
//
// Fragments are those of the PTX manual ("Matrix fragments for mma.m16n8k16"). With g = lane / 4, t = lane % 4
// and a register holding two adjacent bfloat16, the lower index in the low half:
//   A [16, 16]  a[0] rows g, columns 2t, 2t+1    a[1] rows g + 8    a[2] columns + 8    a[3] both
//   B [16, 8]   b[0] k 2t, 2t+1, column g        b[1] k + 8
//   D [16, 8]   d[0], d[1] row g, columns 2t, 2t+1                  d[2], d[3] row g + 8
#ifndef SWIRL_CUDA_TILE_CUH_
#define SWIRL_CUDA_TILE_CUH_

#include <cstdint>

#include "cuda/platform.cuh"

#if defined(SWIRL_CUDA_EMULATED)
#include "cuda/emulator/tile.h"
#endif

namespace swirl::cuda {

#if defined(SWIRL_CUDA_EMULATED)

using emulator::copy_async_16;
using emulator::copy_async_commit;
using emulator::copy_async_wait;
using emulator::ldmatrix_x2;
using emulator::ldmatrix_x2_trans;
using emulator::ldmatrix_x4;
using emulator::ldmatrix_x4_trans;
using emulator::mma_m16n8k16;

#else

// D += A · B, bfloat16 in, float32 sums in place.
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Four 8×8 matrices of 16-bit elements. Lane l gives the address of row l % 8 of matrix l / 8: 16 bytes,
// 16-byte aligned, in shared memory. r[i] of lane l is then row l / 4, columns 2 (l % 4) and the next, of
// matrix i; of its transpose for `trans`.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared))
               : "memory");
}
// Two matrices; only the addresses of lanes 0 … 15 are used, but every lane must pass a valid one.
__device__ __forceinline__ void ldmatrix_x2(uint32_t (&r)[2], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(shared))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x2_trans(uint32_t (&r)[2], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(shared))
               : "memory");
}

// 16 bytes from global to shared memory, both 16-byte aligned, complete after the wait that covers it; zeros when not
// valid, and `global` is then not read. After its wait only the calling thread sees them: the others need a
// barrier.
__device__ __forceinline__ void copy_async_16(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}
// Closes the group of the copies since the last commit.
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
// Waits until at most N of this thread's groups are in flight.
template <int N>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(N) : "memory");
}

#endif

}  // namespace swirl::cuda

#endif  // SWIRL_CUDA_TILE_CUH_
