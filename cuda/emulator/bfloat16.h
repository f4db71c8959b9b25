// cuda_bf16's types and conversions, as far as the kernels use them: storage, rounding to nearest even.
#ifndef SWIRL_CUDA_EMULATOR_BFLOAT16_H_
#define SWIRL_CUDA_EMULATOR_BFLOAT16_H_

#include "native/cpu/bfloat16.h"

struct __nv_bfloat16 {
  uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 x) { return swirl::to_float(swirl::bfloat16{x.bits}); }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return {swirl::to_bfloat16(x).bits}; }
inline __nv_bfloat16 __float2bfloat16(float x) { return __float2bfloat16_rn(x); }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }

#endif  // SWIRL_CUDA_EMULATOR_BFLOAT16_H_
