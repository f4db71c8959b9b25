// The emulation detects the errors that it promises to detect, and computes what the hardware would. If it let a wrong
// kernel pass, its tests would prove nothing about the right ones.
#include <sys/wait.h>
#include <unistd.h>

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
  std::fprintf(stderr, "FAIL %s\n", what.c_str());
}

swirl_device device;

// The launch must fail with an error that contains `word`.
template <class... P, class... A>
void refuses(const char* word, void (*kernel)(P...), dim3 block, size_t shared, A... arguments) {
  const swirl_status status = launch(&device, "test", kernel, dim3(1), block, shared, arguments...);
  expect(status == SWIRL_DEVICE_ERROR && device.error.find(word) != std::string::npos,
         std::string("expected \"") + word + "\", got " + (status == SWIRL_OK ? "no error" : device.error));
}
template <class... P, class... A>
void runs(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, A... arguments) {
  expect(launch(&device, "test", kernel, grid, block, shared, arguments...) == SWIRL_OK, device.error);
}

template <class T>
T* allocate(size_t count) {
  return static_cast<T*>(swirl::emulator::allocate(count * sizeof(T)));
}
void release(void* memory) {
  std::string error;
  expect(swirl::emulator::release(memory, &error), error);
}

// --- forbidden in a kernel ---------------------------------------------------------------------------------

__global__ void barrier_in_a_branch(float*) {
  if (threadIdx.x < 32) __syncthreads();
}
__global__ void two_barriers(float*) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void shuffle_without_a_lane(float* out) {
  if (threadIdx.x != 5) out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1.0f, 1);
}
__global__ void lanes_apart(float*) {
  if (threadIdx.x % 2 == 0) {
    __syncwarp();
  } else {
    __ballot_sync(kAllLanes, 1);
  }
}
__global__ void warp_waits_for_barrier(float*) {
  if (threadIdx.x == 0) {
    __syncwarp();
  } else {
    __syncthreads();
  }
}
__global__ void writes_at(float* out, int64_t index) { out[index] = 1; }
__global__ void writes_shared(int index) { reinterpret_cast<float*>(dynamic_shared())[index] = 1; }
__global__ void reads_host(const float* from, float* to) { to[0] = from[0]; }
struct Pointers {
  int count;
  const float* from;
};
__global__ void reads_host_in_a_struct(Pointers at, float* to) { to[0] = at.from[0]; }
__global__ void copies_without_wait(const float* from) {
  copy_async_16(dynamic_shared(), from, true);
  copy_async_commit();
}
__global__ void copies_askew(const float* from) { copy_async_16(dynamic_shared() + 4, from, true); }
[[maybe_unused]] __global__ void recurses(float* out, int depth) {
  volatile char frame[1024];
  frame[0] = static_cast<char>(depth);
  if (depth > 0) recurses(out, depth - 1);
  out[0] = static_cast<float>(frame[0]);
}

void refusals() {
  float* memory = allocate<float>(64);
  float host = 1;
  refuses("__syncthreads", barrier_in_a_branch, 64, 0, memory);
  refuses("other threads of the block wait", two_barriers, 64, 0, memory);
  refuses("returns, but lane", shuffle_without_a_lane, 32, 0, memory);
  refuses("waits at __syncwarp", lanes_apart, 32, 0, memory);
  refuses("__syncwarp", warp_waits_for_barrier, 32, 0, memory);
#if !defined(__SANITIZE_ADDRESS__)  // it ends the program at a fault, with its own trace
  refuses("past the end of 256 bytes", writes_at, 1, 0, memory, int64_t{64});
  refuses("before 256 bytes", writes_at, 1, 0, memory, -int64_t{1000});
  refuses("touches", writes_shared, 1, 512, 128);
  refuses("stack is full", recurses, 1, 0, memory, 1000);
#endif
  refuses("wrote past the end", writes_shared, 1, 400, 101);
  refuses("without dynamic shared memory", writes_shared, 1, 0, 0);
  refuses("argument 1 of the kernel points at host", reads_host, 1, 0, &host, memory);
  refuses("argument 1 of the kernel points at host", reads_host_in_a_struct, 1, 0, Pointers{1, &host},
          memory);
  refuses("never waited for", copies_without_wait, 1, 16, memory);
  refuses("aligned to 16", copies_askew, 1, 32, memory);
  refuses("no GPU runs", writes_at, dim3(2048), 0, memory, int64_t{0});
  refuses("no GPU runs", writes_shared, 1, size_t{1} << 20, 0);
  runs(writes_at, 1, 1, 0, memory, int64_t{63});  // and the last element is ours
  release(memory);

  float* small = allocate<float>(1);
  runs(writes_at, 1, 1, 0, small, int64_t{1});  // between the end and the next page: detected at the release
  std::string error;
  expect(!swirl::emulator::release(small, &error) && error.find("outside an allocation") != std::string::npos,
         "a write just past the end must be found at the release");
}

// --- undefined values are visible ---------------------------------------------------------------------------

__global__ void reads_shared(float* out) {
  __shared__ float fixed[4];
  if (out == nullptr)
    fixed[0] = 1;  // the compiler would take a variable that is never written for a constant
  out[0] = fixed[0];
  out[1] = reinterpret_cast<float*>(dynamic_shared())[0];
}
__global__ void reads_before_the_wait(const float* from, float* out) {
  float* shared = reinterpret_cast<float*>(dynamic_shared());
  copy_async_16(shared, from, true);
  copy_async_commit();
  copy_async_16(shared + 4, from + 4, true);
  copy_async_commit();
  out[0] = shared[0];
  copy_async_wait<1>();
  out[1] = shared[0];
  out[2] = shared[4];
  copy_async_16(shared + 8, from, false);
  copy_async_commit();
  copy_async_wait<0>();
  out[3] = shared[4];
  out[4] = shared[8];
}
__global__ void races(float* out) {
  __shared__ float last;
  last = static_cast<float>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = last;
}

void undefined_values() {
  float* memory = allocate<float>(64);
  expect(std::isnan(memory[7]), "new memory must be NaN");
  runs(reads_shared, 1, 1, 64, memory);
  expect(std::isnan(memory[0]) && std::isnan(memory[1]), "shared memory must be NaN when a block begins");
  float* from = allocate<float>(8);
  for (int i = 0; i < 8; ++i) from[i] = static_cast<float>(i + 1);
  runs(reads_before_the_wait, 1, 1, 48, from, memory);
  expect(std::isnan(memory[0]) && memory[1] == 1 && std::isnan(memory[2]) && memory[3] == 5 && memory[4] == 0,
         "an asynchronous copy must happen at its own wait, and give zeros when it is not valid");
  setenv("SWIRL_EMULATOR_ORDER", "forward", 1);
  runs(races, 1, 64, 0, memory);
  const float forward = memory[0];
  setenv("SWIRL_EMULATOR_ORDER", "reverse", 1);
  runs(races, 1, 64, 0, memory);
  expect(forward == 63 && memory[0] == 0, "the order of threads must show in a race");
  unsetenv("SWIRL_EMULATOR_ORDER");
  release(from);
  release(memory);
}

// --- results as on hardware ---------------------------------------------------------------------------------

__global__ void sums(const float* in, float* out, int* votes) {
  const float x = in[blockIdx.x * blockDim.x + threadIdx.x];
  const float total = block_sum(x), most = block_max(x);
  const double precise = block_sum<96>(static_cast<double>(x));
  const int above = __syncthreads_count(x > 0.5f);
  const unsigned ballot = __ballot_sync(kAllLanes, threadIdx.x % 3 == 0);
  const float up = __shfl_up_sync(kAllLanes, x, 1, 8), down = __shfl_down_sync(kAllLanes, x, 3);
  if (threadIdx.x == 41) {
    out[blockIdx.x * 8] = total;
    out[blockIdx.x * 8 + 1] = most;
    out[blockIdx.x * 8 + 2] = static_cast<float>(precise);
    out[blockIdx.x * 8 + 3] = up;
    out[blockIdx.x * 8 + 4] = down;
    votes[blockIdx.x * 2] = above;
    votes[blockIdx.x * 2 + 1] = static_cast<int>(ballot);
  }
}

void collectives() {
  float* in = allocate<float>(192);
  float* out = allocate<float>(16);
  int* votes = allocate<int>(4);
  for (int i = 0; i < 192; ++i) in[i] = static_cast<float>((i * 37 % 101) / 128.0);
  runs(sums, 2, 96, 0, in, out, votes);
  for (int block = 0; block < 2; ++block) {
    const float* x = in + block * 96;
    float total = 0, most = 0;
    int above = 0;
    for (int i = 0; i < 96; ++i) {
      total += x[i];
      most = std::max(most, x[i]);
      above += x[i] > 0.5f;
    }
    // Thread 41 is lane 9 of its warp: lane 8 is the one before, lane 12 the third after; its warp votes for
    // threads 33, 36, … 63.
    expect(out[block * 8] == total && out[block * 8 + 1] == most && out[block * 8 + 2] == total,
           "block sums");
    expect(out[block * 8 + 3] == x[40] && out[block * 8 + 4] == x[44], "shuffles");
    unsigned ballot = 0;
    for (unsigned lane = 0; lane < 32; ++lane) ballot |= static_cast<unsigned>((lane + 32) % 3 == 0) << lane;
    expect(votes[block * 2] == above && static_cast<unsigned>(votes[block * 2 + 1]) == ballot, "votes");
  }
  for (void* memory : {static_cast<void*>(in), static_cast<void*>(out), static_cast<void*>(votes)})
    release(memory);
}

// A [16, 16] and B [16, 8] through shared memory. B is read from its transpose when kTransposed is false.
template <bool kTransposed>
__global__ void multiplies(const __nv_bfloat16* a, const __nv_bfloat16* b, float* d) {
  auto* shared = reinterpret_cast<__nv_bfloat16*>(dynamic_shared());
  const int lane = static_cast<int>(threadIdx.x);
  copy_async_16(shared + lane * 8, a + lane * 8, true);
  if (lane < 16) copy_async_16(shared + 256 + lane * 8, b + lane * 8, true);
  copy_async_commit();
  copy_async_wait<0>();
  __syncwarp();
  uint32_t left[4], right[2];
  float sum[4] = {1, 1, 1, 1};
  ldmatrix_x4(left, shared + lane % 16 * 16 + lane / 16 * 8);
  if (kTransposed) {
    ldmatrix_x2_trans(right, shared + 256 + lane % 16 * 8);  // B row by row
  } else {
    ldmatrix_x2(right, shared + 256 + lane % 8 * 16 + lane / 8 % 2 * 8);  // Bᵀ row by row
  }
  mma_m16n8k16(sum, left, right);
  for (int i = 0; i < 4; ++i) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sum[i];
}
__global__ void transposes(const __nv_bfloat16* a, uint32_t* out) {
  auto* shared = reinterpret_cast<__nv_bfloat16*>(dynamic_shared());
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) shared[lane * 8 + i] = a[lane * 8 + i];
  __syncwarp();
  uint32_t r[4];
  ldmatrix_x4_trans(r, shared + lane * 8);  // four 8×8 matrices, one after another
  for (int i = 0; i < 4; ++i) out[i * 32 + lane] = r[i];
}

void tiles() {
  auto* a = allocate<__nv_bfloat16>(256);
  auto* b = allocate<__nv_bfloat16>(128);
  auto* b_transposed = allocate<__nv_bfloat16>(128);
  auto* words = allocate<uint32_t>(128);
  float* d = allocate<float>(128);
  for (int i = 0; i < 256; ++i) a[i] = __float2bfloat16(static_cast<float>(i * 7 % 23 - 11));
  for (int k = 0; k < 16; ++k)
    for (int n = 0; n < 8; ++n)
      b_transposed[n * 16 + k] = b[k * 8 + n] =
          __float2bfloat16(static_cast<float>((k * 5 + n * 3) % 17 - 8));
  for (const bool transposed : {true, false}) {
    if (transposed) {
      runs(multiplies<true>, 1, 32, 768, a, b, d);
    } else {
      runs(multiplies<false>, 1, 32, 768, a, b_transposed, d);
    }
    for (int row = 0; row < 16; ++row)
      for (int column = 0; column < 8; ++column) {
        float want = 1;
        for (int k = 0; k < 16; ++k)
          want += __bfloat162float(a[row * 16 + k]) * __bfloat162float(b[k * 8 + column]);
        expect(d[row * 8 + column] == want, "mma_m16n8k16: row " + std::to_string(row));
      }
  }
  runs(transposes, 1, 32, 512, a, words);
  for (int matrix = 0; matrix < 4; ++matrix)
    for (int lane = 0; lane < 32; ++lane)
      for (int half = 0; half < 2; ++half) {
        const int row = lane % 4 * 2 + half, column = lane / 4;
        expect((words[matrix * 32 + lane] >> (16 * half) & 0xffffu) == a[matrix * 64 + row * 8 + column].bits,
               "ldmatrix_x4_trans");
      }
  for (void* memory : {static_cast<void*>(a), static_cast<void*>(b), static_cast<void*>(b_transposed),
                       static_cast<void*>(words), static_cast<void*>(d)})
    release(memory);
}

// --- the host -----------------------------------------------------------------------------------------------

void host_cannot_look() {
  float* memory = nullptr;
  {
    const swirl::emulator::Access access;
    memory = allocate<float>(4);
    memory[0] = 1;
  }
  const pid_t child = fork();
  if (child == 0) {
    std::fclose(stderr);
    _exit(static_cast<volatile float*>(memory)[0] == 1 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  expect(!WIFEXITED(status) || WEXITSTATUS(status) > 1, "the host must not be able to read device memory");
  const swirl::emulator::Access access;
  release(memory);
}

}  // namespace

int main() {
  {
    const swirl::emulator::Access access;
    refusals();
    undefined_values();
    collectives();
    tiles();
  }
  host_cannot_look();
  std::printf("emulator: %s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
