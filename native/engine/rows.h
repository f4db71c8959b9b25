// Rows: the tokens of one pass and the keys that each sees. Built on the host and uploaded in one copy.
#ifndef SWIRL_ENGINE_ROWS_H_
#define SWIRL_ENGINE_ROWS_H_

#include <cstdint>
#include <vector>

#include "device.h"

namespace swirl {

// [begin, end) of cache slots or rows.
struct Interval {
  int32_t begin, end;
};

struct RowLists {
  std::vector<int32_t> token;     // [rows]
  std::vector<int32_t> position;  // [rows] distance from the root
  std::vector<int32_t> slot;      // [rows] where keys and values are written; empty when slot == base + row

  // Segments: runs of rows of one path. See swirl_tree in kernels.h.
  std::vector<int32_t> segment_begin, segment_end, path_length;  // [segments]
  std::vector<int32_t> path_offset{0};                           // [segments + 1]
  std::vector<int32_t> path_begin, path_end;                     // intervals of slots

  // For the backward pass: runs of slots and the rows that may see them. See swirl_tree in kernels.h.
  std::vector<int32_t> key_begin, key_end, key_position, key_query_begin, key_query_end;  // [key runs]

  int32_t base = 0;  // slot of row 0 where slots follow rows

  int32_t rows() const { return static_cast<int32_t>(token.size()); }
  int32_t segments() const { return static_cast<int32_t>(segment_begin.size()); }
  // Adds a segment of the rows [begin, end) that sees `path`, its own slots included.
  void add_segment(int32_t begin, int32_t end, const std::vector<Interval>& path);
  void clear() { *this = RowLists(); }
};

// RowLists in device memory, in the form that kernels take.
struct Rows {
  int32_t rows = 0;
  int32_t base = 0;                     // slot of row 0 where slots follow rows
  const int32_t* host_token = nullptr;  // [rows]
  const int32_t* token = nullptr;       // [rows]
  const int32_t* position = nullptr;    // [rows]
  const int32_t* slot = nullptr;        // [rows] or null
  swirl_tree tree{};
};

// Bytes of device memory for lists of these sizes.
size_t list_bytes(const RowLists&);
// The same for passes over a KV cache, which have no key runs. Monotonic in each argument.
size_t list_bytes(int64_t rows, int64_t segments, int64_t intervals);

// The result is valid while `lists` and `memory` live; `memory` grows if it is too small.
Rows upload(const RowLists& lists, Device&, Buffer& memory);

}  // namespace swirl

#endif  // SWIRL_ENGINE_ROWS_H_
