#include "cuda/tile.cuh"

#include "cuda/emulator/launch.h"
#include "cuda/emulator/races.h"
#include "cuda/platform.cuh"

namespace swirl::emulator {
namespace {

// Element `half` (0: low, 1: high) of a register with two bfloat16.
float element(uint32_t word, int half) {
  return to_float(bfloat16{static_cast<uint16_t>(half == 0 ? word & 0xffffu : word >> 16)});
}

// A lane reads its elements of the row that lane `of` has given.
void read(void* const* lanes, int lane, int of, int element, size_t bytes) {
  const auto* row = static_cast<const uint16_t*>(static_cast<const MatrixLoad*>(lanes[of])->row);
  races::access(launch.running->number / kLanes * kLanes + lane, row + element, bytes, races::Access::kRead,
                launch.code);
}

}  // namespace

void multiply(void* const* lanes, uint32_t) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto* own = static_cast<const MatrixProduct*>(lanes[lane]);
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 4; ++i) a[group + i % 2 * 8][pair + half + i / 2 * 8] = element(own->a[i], half);
      for (int i = 0; i < 2; ++i) b[pair + half + i * 8][group] = element(own->b[i], half);
    }
  }
  double sum[16][8] = {};
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < 16; ++k)
      for (int column = 0; column < 8; ++column)
        sum[row][column] += static_cast<double>(a[row][k]) * static_cast<double>(b[k][column]);
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto* own = static_cast<const MatrixProduct*>(lanes[lane]);
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int i = 0; i < 4; ++i)
      own->d[i] = static_cast<float>(static_cast<double>(own->d[i]) + sum[group + i / 2 * 8][pair + i % 2]);
  }
}

template <int kMatrices, bool kTransposed>
void load_matrices(void* const* lanes, uint32_t) {
  uint16_t matrix[kMatrices][8][8];
  for (int i = 0; i < kMatrices; ++i)
    for (int row = 0; row < 8; ++row)
      std::memcpy(matrix[i][row], static_cast<const MatrixLoad*>(lanes[i * 8 + row])->row, 16);
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto* own = static_cast<const MatrixLoad*>(lanes[lane]);
    const int first = lane / 4, second = lane % 4 * 2;
    for (int i = 0; i < kMatrices; ++i) {
      if (kTransposed) {
        read(lanes, lane, i * 8 + second, first, 2);
        read(lanes, lane, i * 8 + second + 1, first, 2);
      } else {
        read(lanes, lane, i * 8 + first, second, 4);
      }
      const uint32_t low = kTransposed ? matrix[i][second][first] : matrix[i][first][second];
      const uint32_t high = kTransposed ? matrix[i][second + 1][first] : matrix[i][first][second + 1];
      own->to[i] = low | high << 16;
    }
  }
}
template void load_matrices<4, false>(void* const*, uint32_t);
template void load_matrices<4, true>(void* const*, uint32_t);
template void load_matrices<2, false>(void* const*, uint32_t);
template void load_matrices<2, true>(void* const*, uint32_t);

}  // namespace swirl::emulator
