// Asynchronous copies of 16 bytes from device to shared memory by the running thread. The bytes arrive at the
// wait that covers them, and are NaN until then. A thread that returns without waiting for its copies stops
// the launch (block.cc).
#ifndef SWIRL_CUDA_EMULATOR_ASYNC_COPY_H_
#define SWIRL_CUDA_EMULATOR_ASYNC_COPY_H_

namespace swirl::emulator {

// Copies zeros unless `valid`; `global` is then not read. Both must be aligned to 16 bytes.
void copy_async(void* shared, const void* global, bool valid);
// Ends a group: the copies since the last call.
void copy_async_close();
// Waits until at most the last `groups_left` groups are in flight.
void copy_async_finish(int groups_left);

}  // namespace swirl::emulator

#endif  // SWIRL_CUDA_EMULATOR_ASYNC_COPY_H_
