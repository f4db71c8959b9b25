// Tree attention: how the work is divided into tiles, for forward and backward.
//
// Keys are taken in blocks of kKeyBlock path positions, aligned to position, and a row walks its blocks from
// the first it sees to its own. So the order of a row's sums depends only on its position (and window).
#ifndef SWIRL_CPU_ATTENTION_H_
#define SWIRL_CPU_ATTENTION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "native/cpu/device.h"
#include "native/kernels/kernels.h"

namespace swirl {

constexpr int32_t kKeyBlock = 64;
constexpr int32_t kTileQueries = 96;  // queries (rows times heads of a group) that share a loaded key block

// Query rows that walk the key blocks together: all rows of segments [first, last), or of one segment rows
// [begin, end). The first `common` path positions hold the same slots for all of the segments.
struct QueryTile {
  int32_t first, last;
  int32_t begin, end;
  int32_t common;
};

struct Attention {
  const swirl_attention_shape& shape;
  const swirl_tree& tree;
  int32_t group;      // query heads per key head
  int32_t tile_rows;  // maximum rows per tile

  Attention(const swirl_attention_shape& s, const swirl_tree& t)
      : shape(s), tree(t), group(s.heads / s.kv_heads), tile_rows(std::max(1, kTileQueries / group)) {}

  int32_t rows_of(int32_t segment) const { return tree.query_end[segment] - tree.query_begin[segment]; }
  // Rows of scratch that a tile needs: its queries, plus one to complete the last pair.
  int64_t tile_queries() const { return static_cast<int64_t>(tile_rows) * group + 1; }
  // Path position of a segment's first row.
  int32_t start_of(int32_t segment) const { return tree.path_length[segment] - rows_of(segment); }
  int32_t first_visible(int32_t position) const {
    return shape.window > 0 ? std::max(0, position - shape.window + 1) : 0;
  }

  // Upper bound of the number of tiles.
  int64_t tile_bound() const {
    int64_t bound = 0;
    for (int32_t s = 0; s < tree.segments; ++s) bound += ceil_div(rows_of(s), tile_rows);
    return bound;
  }

  // Fills tiles [tile_bound()] and returns how many. Successive small segments with a common path become one
  // tile.
  int64_t cut(QueryTile* tiles) const {
    int64_t count = 0;
    for (int32_t s = 0; s < tree.segments;) {
      const int32_t rows = rows_of(s);
      if (rows > tile_rows / 2) {
        const int32_t pieces = static_cast<int32_t>(ceil_div(rows, tile_rows));
        const int32_t each = static_cast<int32_t>(ceil_div(rows, pieces));
        for (int32_t begin = 0; begin < rows; begin += each) {
          const int32_t row = tree.query_begin[s] + begin;
          tiles[count++] = {s, s + 1, row, std::min(row + each, tree.query_end[s]), 0};
        }
        ++s;
        continue;
      }
      QueryTile tile = {s, s + 1, tree.query_begin[s], tree.query_end[s], 0};
      int32_t total = rows, common = start_of(s);
      for (; tile.last < tree.segments && total + rows_of(tile.last) <= tile_rows; ++tile.last) {
        const int32_t shared = std::min(std::min(common, start_of(tile.last)), same_slots(s, tile.last));
        if (shared < kKeyBlock) break;
        common = shared;
        total += rows_of(tile.last);
      }
      tile.common = tile.last - tile.first > 1 ? common : 0;
      if (total > 0) tiles[count++] = tile;
      s = tile.last;
    }
    return count;
  }

 private:
  // Leading path positions at which two segments' paths name the same slots.
  int32_t same_slots(int32_t a, int32_t b) const {
    int32_t i = tree.path_offset[a], j = tree.path_offset[b], same = 0;
    const int32_t end_a = tree.path_offset[a + 1], end_b = tree.path_offset[b + 1];
    for (; i < end_a && j < end_b && tree.path_begin[i] == tree.path_begin[j]; ++i, ++j) {
      same += std::min(tree.path_end[i], tree.path_end[j]) - tree.path_begin[i];
      if (tree.path_end[i] != tree.path_end[j]) break;
    }
    return same;
  }
};

// The slots of a key block: path positions [first, first + kKeyBlock) of a segment, `count` of them there.
struct KeyBlock {
  int32_t first = 0, count = 0;
  int32_t slots[kKeyBlock];

  // Columns that are computed: the keys, padded with zeros to whole vectors. The number of zeros does not change a
  // row's bits.
  int32_t columns() const { return static_cast<int32_t>(round_up(count, 16)); }
};

// Walks a segment's path forward, block by block.
class PathWalk {
 public:
  PathWalk(const swirl_tree& tree, int32_t segment)
      : tree_(tree), interval_(tree.path_offset[segment]), length_(tree.path_length[segment]) {}

  // The block that starts at path position `first`, which must not be before the last one asked for.
  void block(int32_t first, KeyBlock* out) {
    out->first = first;
    out->count = std::max(0, std::min(kKeyBlock, length_ - first));
    int32_t filled = 0;
    while (filled < out->count) {
      const int32_t position = first + filled;
      const int32_t size = tree_.path_end[interval_] - tree_.path_begin[interval_];
      if (position >= passed_ + size) {
        passed_ += size;
        ++interval_;
        continue;
      }
      const int32_t take = std::min(out->count - filled, passed_ + size - position);
      for (int32_t i = 0; i < take; ++i)
        out->slots[filled + i] = tree_.path_begin[interval_] + (position - passed_) + i;
      filled += take;
    }
  }

 private:
  const swirl_tree& tree_;
  int32_t interval_;
  int32_t passed_ = 0;  // path positions before the interval
  int32_t length_;
};

// Elements of a head's row in scratch: a whole number of vectors in every variant.
inline int32_t padded_head(int32_t head_dim) { return static_cast<int32_t>(round_up(head_dim, 32)); }

swirl_status check_attention(swirl_device*, const char* op, const swirl_attention_shape&);

}  // namespace swirl

#endif  // SWIRL_CPU_ATTENTION_H_
