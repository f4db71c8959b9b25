// The step of adamw on state in the formats of compact_state.h: vector versions of the functions there.
#include "native/cpu/adamw_step.inl"

namespace swirl {
namespace SWIRL_ISA {

typedef uint8_t BytesUnaligned __attribute__((vector_size(kLanes), aligned(1), may_alias));

SWIRL_INLINE U load_codes(const uint8_t* p) { return __builtin_convertvector(*(const BytesUnaligned*)p, U); }
SWIRL_INLINE void store_codes(uint8_t* p, U codes) {
  *(BytesUnaligned*)p = __builtin_convertvector(codes, BytesUnaligned);
}

SWIRL_INLINE V moment_values(const MomentFormat& f, U codes) {
  const V subnormal = (V)((codes + f.base) << 20) - float_of(f.base << 20);
  return codes >= 8u ? (V)((codes - 8u + f.base) << 20) : subnormal;
}
SWIRL_INLINE U moment_codes(const MomentFormat& f, V x, U random) {
  const float normal = float_of(f.base << 20);
  const U high = (((U)x + random) >> 20) - f.base + 8u;
  const U low = (((U)(x + normal) + random) >> 20) - f.base;
  return x < normal ? low : high;
}
SWIRL_INLINE V first_moments(U codes, float scale) {
  return (V)((U)(moment_values(first_moment_format(), codes & 0x7fu) * scale) | (codes & 0x80u) << 24);
}
SWIRL_INLINE U first_moment_codes(V x, float inverse, U random) {
  return moment_codes(first_moment_format(), abs(x) * inverse, random) | (U)x >> 31 << 7;
}
SWIRL_INLINE V second_moments(U codes, float scale) {
  return moment_values(second_moment_format(), codes) * scale;
}
SWIRL_INLINE U second_moment_codes(V x, float inverse, U random) {
  const U codes = moment_codes(second_moment_format(), x * inverse, random);
  return x > zeros() ? (codes > 1u ? codes : (U)zeros() + 1u) : codes;
}

SWIRL_INLINE U mix(U x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

constexpr int kParts = kMomentBlock / kLanes;

// A block of state, or the first elements of one followed by zeros.
struct CompactBlock {
  const bfloat16* weight;
  const float* gradient;
  const uint8_t *m, *v;
  float m_scale, v_scale;
};
SWIRL_INLINE AdamwElements adamw_compact_load(const CompactBlock& b, int at) {
  return {load(b.weight + at), load(b.gradient + at), first_moments(load_codes(b.m + at), b.m_scale),
          second_moments(load_codes(b.v + at), b.v_scale)};
}

// A copy of the last block of a tensor, padded with zeros.
struct CompactTail {
  bfloat16 weight[kMomentBlock];
  float gradient[kMomentBlock];
  uint8_t m[kMomentBlock], v[kMomentBlock];
};
SWIRL_INLINE void copy_tail(CompactTail& to, int n, const bfloat16* weight, const float* gradient,
                            const uint8_t* m, const uint8_t* v) {
  to = {};
  for (int i = 0; i < n; ++i) {
    to.weight[i] = weight[i];
    to.gradient[i] = gradient[i];
    to.m[i] = m[i];
    to.v[i] = v[i];
  }
}

// element: the index of the block's first element, low 32 bits.
SWIRL_INLINE void adamw_compact_block(const AdamwConstants& c, const RoundingKeys& keys, uint32_t element,
                                      bfloat16* weight, const float* gradient, uint8_t* m, uint8_t* m_scale,
                                      uint8_t* v, uint8_t* v_scale) {
  const CompactBlock block = {weight, gradient, m, v, scale_value(*m_scale), scale_value(*v_scale)};
  V mean[kParts], square[kParts];
  U first_random[kParts], second_random[kParts];
  V largest_mean = zeros(), largest_square = zeros();
  U lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<uint32_t>(i);
  for (int part = 0; part < kParts; ++part) {
    const int at = part * kLanes;
    AdamwElements x = adamw_compact_load(block, at);
    adamw_move(c, x);
    mean[part] = x.mean;
    square[part] = x.square;
    largest_mean = max(largest_mean, abs(x.mean));
    largest_square = max(largest_square, x.square);
    const U mixed = mix(lane + (element + static_cast<uint32_t>(at) + keys.first));
    const U a = mix(mixed ^ keys.second), b = mix(mixed ^ keys.third);
    first_random[part] = b >> 12;
    second_random[part] = (a >> 16) << 4 | (b & 15u);
    store(weight + at, (V)(((U)x.weight + (a & 0xffffu)) & 0xffff0000u));  // nothing left to round
  }
  *m_scale = moment_scale(first_moment_format(), largest(largest_mean));
  *v_scale = moment_scale(second_moment_format(), largest(largest_square));
  const float m_inverse = scale_inverse(*m_scale), v_inverse = scale_inverse(*v_scale);
  for (int part = 0; part < kParts; ++part) {
    store_codes(m + part * kLanes, first_moment_codes(mean[part], m_inverse, first_random[part]));
    store_codes(v + part * kLanes, second_moment_codes(square[part], v_inverse, second_random[part]));
  }
}

// begin: a multiple of 32.
inline void adamw_compact_range(const swirl_adamw& o, const RoundingKeys& keys, int64_t begin, int64_t end,
                                bfloat16* weight, const float* gradient, const swirl_compact_moments& s) {
  const AdamwConstants c = adamw_constants(o);
  for (int64_t i = begin; i < end; i += kMomentBlock) {
    const int64_t block = i / kMomentBlock;
    if (end - i >= kMomentBlock) {
      adamw_compact_block(c, keys, static_cast<uint32_t>(i), weight + i, gradient + i, s.m + i,
                          s.m_scale + block, s.v + i, s.v_scale + block);
      continue;
    }
    const int n = static_cast<int>(end - i);
    CompactTail tail;
    copy_tail(tail, n, weight + i, gradient + i, s.m + i, s.v + i);
    adamw_compact_block(c, keys, static_cast<uint32_t>(i), tail.weight, tail.gradient, tail.m,
                        s.m_scale + block, tail.v, s.v_scale + block);
    for (int j = 0; j < n; ++j) {
      weight[i + j] = tail.weight[j];
      s.m[i + j] = tail.m[j];
      s.v[i + j] = tail.v[j];
    }
  }
}

// 0 in each lane that stays usable, NaN in the others.
SWIRL_INLINE V adamw_compact_broken(const AdamwElements& x) {
  const I good = (abs(x.weight) <= splat(kLargestBfloat16)) & (abs(x.mean) <= splat(kLargestMoment)) &
                 (x.square <= splat(kLargestMoment));
  return good ? zeros() : splat(NAN);
}

// first: the first element of [begin, end) that the step would break, or -1.
inline void adamw_compact_first_broken(const swirl_adamw& o, int64_t begin, int64_t end,
                                       const bfloat16* weight, const float* gradient,
                                       const swirl_compact_moments& s, int64_t* first) {
  const AdamwConstants c = adamw_constants(o);
  *first = -1;
  for (int64_t i = begin; i < end; i += kMomentBlock) {
    const int64_t block = i / kMomentBlock;
    CompactBlock b = {weight + i,
                      gradient + i,
                      s.m + i,
                      s.v + i,
                      scale_value(s.m_scale[block]),
                      scale_value(s.v_scale[block])};
    CompactTail tail;
    if (end - i < kMomentBlock) {
      copy_tail(tail, static_cast<int>(end - i), weight + i, gradient + i, s.m + i, s.v + i);
      b = {tail.weight, tail.gradient, tail.m, tail.v, b.m_scale, b.v_scale};
    }
    V broken[kParts], any = zeros();
    for (int part = 0; part < kParts; ++part) {
      AdamwElements x = adamw_compact_load(b, part * kLanes);
      adamw_move(c, x);
      broken[part] = adamw_compact_broken(x);
      any += broken[part];
    }
    const float sum_of_all = sum(any);
    if (sum_of_all == sum_of_all) continue;
    for (int j = 0; j < kMomentBlock; ++j) {
      const float lane = broken[j / kLanes][j % kLanes];
      if (lane == lane) continue;
      *first = i + j;
      return;
    }
  }
}

}  // namespace SWIRL_ISA
}  // namespace swirl
