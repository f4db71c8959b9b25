// The race detector finds planted races, in every order of threads, with both lines; and finds none in kernels that
// have their barriers. Compiled as the kernels are for it (CMakeLists.txt).
#include <cstdio>
#include <cstdlib>

#include "cuda/emulator/memory.h"
#include "cuda/platform.cuh"
#include "cuda/tile.cuh"
#include "cuda/warp.cuh"

namespace {

using namespace swirl::cuda;

int failures = 0;

void expect(bool condition, const std::string& what) {
  if (condition) return;
  ++failures;
  std::fprintf(stderr, "FAIL %s, order %s\n", what.c_str(), std::getenv("SWIRL_EMULATOR_ORDER"));
}

swirl_device device;

// The lines of the two accesses, as the kernel has marked them.
int first = 0, second = 0;
#define FIRST(statement) (first = __LINE__, statement)
#define SECOND(statement) (second = __LINE__, statement)

using Kernel = void (*)(float*);

swirl_status run(Kernel kernel, dim3 grid, dim3 block, float* memory) {
  device.error.clear();
  first = second = 0;
  return launch(&device, "test", kernel, grid, block, 1024, memory);
}

bool names(int line) {
  const std::string want = "races_test.cc:" + std::to_string(line);
  const size_t at = device.error.find(want);
  return line > 0 && at != std::string::npos && !std::isdigit(device.error[at + want.size()]);
}

void races(const char* what, Kernel kernel, dim3 grid, dim3 block, float* memory) {
  const swirl_status status = run(kernel, grid, block, memory);
  expect(status == SWIRL_DEVICE_ERROR && device.error.find("race at") != std::string::npos,
         std::string(what) + ": no race found; " + device.error);
  expect(names(first) && names(second), std::string(what) + ": must name lines " + std::to_string(first) +
                                            " and " + std::to_string(second) + ": " + device.error);
}

void clean(const char* what, Kernel kernel, dim3 grid, dim3 block, float* memory) {
  const swirl_status status = run(kernel, grid, block, memory);
  expect(status == SWIRL_OK, std::string(what) + ": " + device.error);
}

__device__ float* shared() { return reinterpret_cast<float*>(dynamic_shared()); }
__device__ int number() { return static_cast<int>(threadIdx.x); }

// --- races ----------------------------------------------------------------------------------------------------

__global__ void read_without_barrier(float* out) {
  float* s = shared();
  FIRST(s[number()] = 1);
  __syncwarp();
  SECOND(out[number()] = s[63 - number()]);
}
__global__ void overwritten_before_read(float* out) {
  float* s = shared();
  s[number()] = 1;
  __syncthreads();
  FIRST(out[number()] = s[63 - number()]);
  SECOND(s[number()] = 2);
}
__global__ void lanes_without_barrier(float* out) {
  __shared__ float s[32];
  FIRST(s[number()] = 1);
  SECOND(out[number()] = s[31 - number()]);
}
__global__ void shuffle_is_no_barrier(float* out) {
  float* s = shared();
  FIRST(s[number()] = 1);
  __shfl_xor_sync(kAllLanes, 1.0f, 1);
  SECOND(out[number()] = s[31 - number()]);
}
__global__ void some_lanes_meet(float* out) {
  float* s = shared();
  FIRST(s[number()] = 1);
  if (number() < 16) {
    __syncwarp(0xffffu);
    SECOND(out[number()] = s[number() + 1]);  // lane 15 reads what lane 16 wrote
  }
}
__global__ void both_write(float* out) {
  float* s = shared();
  if (number() == 3) FIRST(s[7] = 1);
  if (number() == 40) SECOND(s[7] = 1);
  __syncthreads();
  out[number()] = s[7];
}
__global__ void part_of_a_vector(float* out) {
  float* s = shared();
  if (number() == 0) FIRST(*reinterpret_cast<float4*>(s) = make_float4(1, 2, 3, 4));
  if (number() == 1) SECOND(reinterpret_cast<unsigned char*>(s)[13] = 1);
  __syncthreads();
  out[number()] = s[3];
}
__global__ void blocks_write(float* out) {
  second = __LINE__ + 1;
  FIRST(out[5] = static_cast<float>(blockIdx.x));
}
__global__ void block_reads_another(float* out) {
  if (blockIdx.x == 0) FIRST(out[3] = 1);
  if (blockIdx.x == 1) SECOND(out[9] = out[3]);
}
__global__ void atomic_then_read(float* out) {
  auto* s = reinterpret_cast<unsigned*>(shared());
  if (number() == 0) s[0] = 0;
  __syncthreads();
  FIRST(atomicAdd(&s[0], 1u));
  if (number() == 63) SECOND(out[0] = static_cast<float>(s[0]));
}
__global__ void reads_an_open_copy(float* out) {
  FIRST(copy_async_16(shared(), out, true));
  copy_async_commit();
  SECOND(out[8] = shared()[0]);
  copy_async_wait<0>();
}
__global__ void barrier_before_the_wait(float* out) {
  if (number() < 4) FIRST(copy_async_16(shared() + number() * 4, out + number() * 4, true));
  copy_async_commit();
  __syncthreads();
  SECOND(out[32 + number()] = shared()[number() % 16]);
  copy_async_wait<0>();
}
// Four threads of the block copy 16 floats and wait for them.
__device__ __forceinline__ void copy(float* to, const float* from) {
  if (number() < 4) copy_async_16(to + number() * 4, from + number() * 4, true);
  copy_async_commit();
  copy_async_wait<0>();
}
__global__ void copy_without_barrier(float* out) {
  FIRST(copy(shared(), out));
  SECOND(out[32 + number()] = shared()[number() % 16]);
}
__global__ void buffer_copied_over_too_early(float* out) {
  float* s = shared();
  s[number()] = 1;
  __syncthreads();
  FIRST(out[32 + number()] = s[63 - number()]);
  SECOND(copy(s, out));
}
__global__ void source_of_a_copy(float* out) {
  if (number() == 0) copy_async_16(shared(), out, true);
  copy_async_commit();
  __syncthreads();
  if (number() == 1) SECOND(out[2] = 1);
  __syncthreads();
  FIRST(copy_async_wait<0>());
}
__global__ void tile_without_barrier(float* out) {
  auto* s = reinterpret_cast<__nv_bfloat16*>(dynamic_shared());
  for (int i = 0; i < 8; ++i) FIRST(s[number() * 8 + i] = __float2bfloat16(1.0f));
  uint32_t r[4];
  SECOND(ldmatrix_x4(r, s + number() * 8));
  out[number()] = __uint_as_float(r[0]);
}

// --- none -----------------------------------------------------------------------------------------------------

__global__ void with_barriers(float* out) {
  float* s = shared();
  for (int i = 0; i < 3; ++i) {
    s[number()] = static_cast<float>(i);
    __syncthreads();
    out[number()] = s[63 - number()];
    __syncthreads();
  }
}
__global__ void with_warp_barriers(float* out) {
  __shared__ float s[64];
  float* own = s + number() / 32 * 32;
  const int lane = number() % 32;
  for (int i = 0; i < 3; ++i) {
    own[lane] = static_cast<float>(i);
    __syncwarp();
    out[number()] = own[31 - lane];
    __syncwarp();
  }
}
__global__ void halves_of_a_warp(float* out) {
  float* s = shared();
  const unsigned mask = number() < 16 ? 0xffffu : 0xffff0000u;
  for (int i = 0; i < 3; ++i) {
    s[number()] = 1;
    __syncwarp(mask);
    out[number()] = s[number() ^ 15];
    __syncwarp(mask);
  }
}
__global__ void reductions(float* out) {
  const float x = static_cast<float>(number());
  const float sum = block_sum(x) + block_max(x) + warp_sum(x) + block_sum(x);
  out[number()] = sum;
}
__global__ void neighbours_in_a_word(float* out) {
  reinterpret_cast<__nv_bfloat16*>(shared())[number()] = __float2bfloat16(1.0f);
  reinterpret_cast<unsigned char*>(out)[number()] = 1;
}
__global__ void counts(float* out) {
  auto* s = reinterpret_cast<unsigned*>(shared());
  if (number() == 0) s[0] = 0;
  __syncthreads();
  atomicAdd(&s[0], 1u);
  __syncthreads();
  out[number()] = static_cast<float>(s[0]);
}
__global__ void counts_of_blocks(float* out) { atomicAdd(reinterpret_cast<unsigned*>(out), 1u); }
__global__ void through_global_memory(float* out) {
  float* own = out + blockIdx.x * 64;
  own[number()] = 1;
  __syncthreads();
  const float x = own[63 - number()];
  __syncthreads();
  own[number()] = x + 1;
}
__global__ void all_read(float* out) {
  shared()[number()] = out[0] + out[number() % 4];
  out[64 + blockIdx.x * blockDim.x + threadIdx.x] = 1;
}
__global__ void two_buffers(float* out) {
  float* s = shared();
  const auto load = [&](int i) {
    if (number() < 8) copy_async_16(s + i % 2 * 32 + number() * 4, out + i * 32 + number() * 4, i != 2);
    copy_async_commit();
  };
  load(0);
  float sum = 0;
  for (int i = 0; i < 4; ++i) {
    if (i < 3) {
      load(i + 1);
      copy_async_wait<1>();
    } else {
      copy_async_wait<0>();
    }
    __syncthreads();
    sum += s[i % 2 * 32 + 31 - number() % 32];
    __syncthreads();
  }
  out[128 + number()] = sum;
}
__global__ void tile(float* out) {
  auto* s = reinterpret_cast<__nv_bfloat16*>(dynamic_shared());
  uint32_t r[4];
  for (int k = 0; k < 2; ++k) {
    for (int i = 0; i < 8; ++i) s[number() * 8 + i] = __float2bfloat16(1.0f);
    __syncwarp();
    if (k == 0) {
      ldmatrix_x4(r, s + number() * 8);
    } else {
      ldmatrix_x4_trans(r, s + number() * 8);
    }
    __syncwarp();
  }
  out[number()] = __uint_as_float(r[0]);
}

void all(float* memory) {
  races("a read without __syncthreads", read_without_barrier, 1, 64, memory);
  races("a write after a read without __syncthreads", overwritten_before_read, 1, 64, memory);
  races("a read without __syncwarp", lanes_without_barrier, 1, 32, memory);
  races("a shuffle in the place of __syncwarp", shuffle_is_no_barrier, 1, 32, memory);
  races("a lane outside the mask of __syncwarp", some_lanes_meet, 1, 32, memory);
  races("two writes of one value", both_write, 1, 64, memory);
  races("a byte of a vector", part_of_a_vector, 1, 32, memory);
  races("a write of two blocks", blocks_write, 2, 1, memory);
  races("a read of another block's write", block_reads_another, 2, 1, memory);
  races("an atomic and a read", atomic_then_read, 1, 64, memory);
  races("a copy not waited for", reads_an_open_copy, 1, 1, memory);
  races("a barrier before the wait", barrier_before_the_wait, 1, 64, memory);
  races("a copy waited for without a barrier", copy_without_barrier, 1, 64, memory);
  races("a buffer copied over before it has been read", buffer_copied_over_too_early, 1, 64, memory);
  races("the source of a copy written", source_of_a_copy, 1, 64, memory);
  races("a tile without __syncwarp", tile_without_barrier, 1, 32, memory);

  clean("__syncthreads", with_barriers, 1, 64, memory);
  clean("__syncwarp", with_warp_barriers, 1, 64, memory);
  clean("__syncwarp of halves", halves_of_a_warp, 1, 32, memory);
  clean("sums by shuffles, a warp", reductions, 1, 32, memory);
  clean("sums by shuffles, a block", reductions, 1, 96, memory);
  clean("neighbors in one word", neighbours_in_a_word, 1, 64, memory);
  clean("atomics, then a barrier", counts, 1, 64, memory);
  clean("atomics of blocks", counts_of_blocks, 4, 64, memory);
  clean("global memory within a block", through_global_memory, 4, 64, memory);
  clean("reads of all blocks", all_read, 2, 64, memory);
  clean("two buffers", two_buffers, 1, 64, memory);
  clean("tiles", tile, 1, 32, memory);
}

}  // namespace

int main() {
  const swirl::emulator::Access access;
  auto* memory = static_cast<float*>(swirl::emulator::allocate(1024));
  for (const char* order : {"forward", "reverse", "random:1", "random:2"}) {
    setenv("SWIRL_EMULATOR_ORDER", order, 1);
    all(memory);
  }
  std::string error;
  expect(swirl::emulator::release(memory, &error), error);
  std::printf("races: %s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
