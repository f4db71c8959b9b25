#include "rows.h"

#include <algorithm>
#include <cstring>

namespace swirl {

void RowLists::add_segment(int32_t begin, int32_t end, const std::vector<Interval>& path) {
  int32_t length = 0;
  for (const Interval& interval : path) {
    path_begin.push_back(interval.begin);
    path_end.push_back(interval.end);
    length += interval.end - interval.begin;
  }
  segment_begin.push_back(begin);
  segment_end.push_back(end);
  path_length.push_back(length);
  path_offset.push_back(static_cast<int32_t>(path_begin.size()));
}

size_t list_bytes(const RowLists& lists) {
  Arena measure;
  for (const std::vector<int32_t>* part :
       {&lists.token, &lists.position, &lists.slot, &lists.segment_begin, &lists.segment_end,
        &lists.path_offset, &lists.path_begin, &lists.path_end, &lists.path_length, &lists.key_begin,
        &lists.key_end, &lists.key_position, &lists.key_query_begin, &lists.key_query_end}) {
    measure.take<int32_t>(part->size());
  }
  return measure.used();
}

size_t list_bytes(int64_t rows, int64_t segments, int64_t intervals) {
  Arena measure;
  for (int i = 0; i < 3; ++i) measure.take<int32_t>(rows);      // token, position, slot
  for (int i = 0; i < 3; ++i) measure.take<int32_t>(segments);  // begin, end, path length
  measure.take<int32_t>(segments + 1);                          // path offset
  for (int i = 0; i < 2; ++i) measure.take<int32_t>(intervals);
  return measure.used();
}

Rows upload(const RowLists& lists, Device& device, Buffer& memory) {
  Rows rows;
  rows.rows = lists.rows();
  rows.host_token = lists.token.data();
  rows.base = lists.base;
  swirl_tree& tree = rows.tree;
  tree.rows = lists.rows();
  tree.segments = lists.segments();
  for (int32_t s = 0; s < tree.segments; ++s) {
    const int64_t n = lists.segment_end[s] - lists.segment_begin[s], length = lists.path_length[s];
    tree.longest_segment = std::max(tree.longest_segment, static_cast<int32_t>(n));
    tree.longest_path = std::max(tree.longest_path, lists.path_length[s]);
    tree.pairs += n * length - n * (n - 1) / 2;
  }
  tree.key_runs = static_cast<int32_t>(lists.key_begin.size());
  for (int32_t i = 0; i < tree.key_runs; ++i) {
    tree.longest_key_run = std::max(tree.longest_key_run, lists.key_end[i] - lists.key_begin[i]);
  }

  const std::pair<const std::vector<int32_t>*, const int32_t**> parts[] = {
      {&lists.token, &rows.token},
      {&lists.position, &rows.position},
      {&lists.slot, &rows.slot},
      {&lists.segment_begin, &tree.query_begin},
      {&lists.segment_end, &tree.query_end},
      {&lists.path_offset, &tree.path_offset},
      {&lists.path_begin, &tree.path_begin},
      {&lists.path_end, &tree.path_end},
      {&lists.path_length, &tree.path_length},
      {&lists.key_begin, &tree.key_begin},
      {&lists.key_end, &tree.key_end},
      {&lists.key_position, &tree.key_position},
      {&lists.key_query_begin, &tree.key_query_begin},
      {&lists.key_query_end, &tree.key_query_end},
  };
  std::vector<uint8_t> host(list_bytes(lists));
  memory.reserve(host.size());
  Arena on_host(host.data()), on_device(memory.as<void>());
  for (const auto& [from, to] : parts) {
    int32_t* staged = on_host.take<int32_t>(from->size());
    int32_t* placed = on_device.take<int32_t>(from->size());
    if (from->empty()) continue;
    std::memcpy(staged, from->data(), from->size() * sizeof(int32_t));
    *to = placed;
  }
  tree.position = rows.position;
  device.upload(memory.as<void>(), host.data(), host.size());
  return rows;
}

}  // namespace swirl
