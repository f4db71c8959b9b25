// CompactMoments: both Adam moments of the matrices of an index space, in the 8-bit formats of
// native/kernels/compact_state.h. Each matrix starts with a new block.
#ifndef SWIRL_ENGINE_COMPACT_MOMENTS_H_
#define SWIRL_ENGINE_COMPACT_MOMENTS_H_

#include <string>
#include <vector>

#include "device.h"
#include "types.h"

namespace swirl {

class CompactMoments {
 public:
  explicit CompactMoments(Device&);

  struct Place {
    int64_t block, count;  // its first block, its elements
  };
  // Layout: returns the place of the next matrix.
  Place add(int64_t count);

  uint64_t needed_bytes() const { return 2 * moment_bytes(); }  // of both
  uint64_t bytes() const { return m_.bytes() + v_.bytes(); }    // allocated now
  void begin();                                                 // allocates zeros, unless they are there

  swirl_compact_moments at(const Place&) const;

  // kAdamM or kAdamV as float32. Written values are rounded to nearest; `first` is a multiple of the block, and what
  // is written ends with one or with the matrix.
  std::vector<float> read(TensorKind, const Place&, int64_t first, int64_t count) const;
  void write(TensorKind, const Place&, int64_t first, const std::vector<float>&);

  // The stored bytes: one code per element, or one scale per block. `first` and `count` are of these.
  static bool is_stored(TensorKind kind) { return kind >= TensorKind::kAdamMCodes; }
  int64_t stored_count(TensorKind, const Place&) const;
  std::vector<uint8_t> read_stored(TensorKind, const Place&, int64_t first, int64_t count) const;
  void write_stored(TensorKind, const Place&, int64_t first, const uint8_t* bytes, size_t count);
  // The first byte that no step would write (not a number, or a scale with which a code is not finite); -1 = none.
  static int64_t first_invalid(TensorKind, const uint8_t* bytes, size_t count);

 private:
  uint64_t moment_bytes() const { return uint64_t(blocks_) * (SWIRL_MOMENT_BLOCK + 1); }
  uint8_t* codes(bool second, const Place&) const;
  uint8_t* scales(bool second, const Place&) const;

  Device& device_;
  int64_t blocks_ = 0;
  Buffer m_, v_;  // [blocks, 32] codes, then [blocks] scales
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_COMPACT_MOMENTS_H_
