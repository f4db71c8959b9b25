#include "compact_moments.h"

#include <algorithm>
#include <cmath>

#include "../kernels/compact_state.h"

namespace swirl {
namespace {

constexpr uint32_t kNearest = 1u << 19;  // half of the range of the random bits

int64_t blocks_of(int64_t count) { return (count + kMomentBlock - 1) / kMomentBlock; }

bool is_second(TensorKind kind) {
  return kind == TensorKind::kAdamV || kind == TensorKind::kAdamVCodes || kind == TensorKind::kAdamVScales;
}
bool is_scales(TensorKind kind) {
  return kind == TensorKind::kAdamMScales || kind == TensorKind::kAdamVScales;
}

}  // namespace

CompactMoments::CompactMoments(Device& device)
    : device_(device),
      m_(device, "Adam's first moments in 8 bits"),
      v_(device, "Adam's second moments in 8 bits") {}

CompactMoments::Place CompactMoments::add(int64_t count) {
  const Place place = {blocks_, count};
  blocks_ += blocks_of(count);
  return place;
}

void CompactMoments::begin() {
  for (Buffer* moment : {&m_, &v_}) {
    if (*moment) continue;
    moment->resize(moment_bytes());
    moment->zero();
  }
}

uint8_t* CompactMoments::codes(bool second, const Place& at) const {
  return (second ? v_ : m_).as<uint8_t>() + at.block * kMomentBlock;
}
uint8_t* CompactMoments::scales(bool second, const Place& at) const {
  return (second ? v_ : m_).as<uint8_t>() + blocks_ * kMomentBlock + at.block;
}

swirl_compact_moments CompactMoments::at(const Place& place) const {
  return {codes(false, place), scales(false, place), codes(true, place), scales(true, place)};
}

std::vector<float> CompactMoments::read(TensorKind kind, const Place& at, int64_t first,
                                        int64_t count) const {
  const bool second = is_second(kind);
  std::vector<float> out(count);
  if (count == 0) return out;
  const int64_t block = first / kMomentBlock;
  std::vector<uint8_t> code(count), scale(blocks_of(first + count) - block);
  device_.download(code.data(), codes(second, at) + first, code.size());
  device_.download(scale.data(), scales(second, at) + block, scale.size());
  for (int64_t i = 0; i < count; ++i) {
    const float of_block = scale_value(scale[(first + i) / kMomentBlock - block]);
    out[i] = second ? second_moment(code[i], of_block) : first_moment(code[i], of_block);
  }
  return out;
}

void CompactMoments::write(TensorKind kind, const Place& at, int64_t first,
                           const std::vector<float>& values) {
  const bool second = is_second(kind);
  const auto count = static_cast<int64_t>(values.size());
  std::vector<uint8_t> code(count), scale(blocks_of(count));
  for (int64_t begin = 0; begin < count; begin += kMomentBlock) {
    const int64_t end = std::min(count, begin + kMomentBlock);
    float largest = 0;
    for (int64_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(values[i]));
    const uint8_t byte = moment_scale(second ? second_moment_format() : first_moment_format(), largest);
    scale[begin / kMomentBlock] = byte;
    for (int64_t i = begin; i < end; ++i) {
      code[i] = second ? second_moment_code(values[i], scale_inverse(byte), kNearest)
                       : first_moment_code(values[i], scale_inverse(byte), kNearest);
    }
  }
  device_.upload(codes(second, at) + first, code.data(), code.size());
  device_.upload(scales(second, at) + first / kMomentBlock, scale.data(), scale.size());
}

int64_t CompactMoments::stored_count(TensorKind kind, const Place& at) const {
  return is_scales(kind) ? blocks_of(at.count) : at.count;
}

std::vector<uint8_t> CompactMoments::read_stored(TensorKind kind, const Place& at, int64_t first,
                                                 int64_t count) const {
  std::vector<uint8_t> out(count);
  const bool second = is_second(kind);
  device_.download(out.data(), (is_scales(kind) ? scales(second, at) : codes(second, at)) + first,
                   out.size());
  return out;
}

void CompactMoments::write_stored(TensorKind kind, const Place& at, int64_t first, const uint8_t* bytes,
                                  size_t count) {
  const bool second = is_second(kind);
  device_.upload((is_scales(kind) ? scales(second, at) : codes(second, at)) + first, bytes, count);
}

int64_t CompactMoments::first_invalid(TensorKind kind, const uint8_t* bytes, size_t count) {
  const MomentFormat& f = is_second(kind) ? second_moment_format() : first_moment_format();
  const uint32_t largest = is_scales(kind) ? 254 - static_cast<uint32_t>(f.top) : f.largest;
  const uint32_t mask = kind == TensorKind::kAdamMCodes ? 0x7f : 0xff;
  for (size_t i = 0; i < count; ++i) {
    if ((bytes[i] & mask) > largest) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace swirl
