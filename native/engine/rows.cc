#include "rows.h"

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

Rows upload(const RowLists& lists, Device& device, Buffer& memory) {
  Rows rows;
  rows.rows = lists.rows();
  rows.host_token = lists.token.data();
  rows.tree.segments = lists.segments();

  const std::pair<const std::vector<int32_t>*, const int32_t**> parts[] = {
      {&lists.token, &rows.token},
      {&lists.position, &rows.position},
      {&lists.slot, &rows.slot},
      {&lists.segment_begin, &rows.tree.query_begin},
      {&lists.segment_end, &rows.tree.query_end},
      {&lists.path_offset, &rows.tree.path_offset},
      {&lists.path_begin, &rows.tree.path_begin},
      {&lists.path_end, &rows.tree.path_end},
      {&lists.path_length, &rows.tree.path_length},
      {&lists.subtree_end, &rows.tree.subtree_end},
  };
  Arena measure;
  for (const auto& part : parts) measure.take<int32_t>(part.first->size());
  if (measure.used() > memory.bytes()) memory.resize(measure.used() * 3 / 2);

  std::vector<uint8_t> host(measure.used());
  Arena on_host(host.data()), on_device(memory.as<void>());
  for (const auto& [from, to] : parts) {
    int32_t* staged = on_host.take<int32_t>(from->size());
    int32_t* placed = on_device.take<int32_t>(from->size());
    if (from->empty()) continue;
    std::memcpy(staged, from->data(), from->size() * sizeof(int32_t));
    *to = placed;
  }
  device.upload(memory.as<void>(), host.data(), host.size());
  return rows;
}

}  // namespace swirl
