#include "adapter_modules.h"

#include <algorithm>
#include <utility>

namespace swirl {
namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

std::vector<Projection> projections(const ModelConfig& c) {
  std::vector<Projection> all;
  for (int32_t l = 0; l < c.layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    const auto add = [&](const char* part, Group group, int32_t in, int32_t out, int32_t first_out) {
      all.push_back({layer + part, l, group, in, out, first_out});
    };
    add("self_attn.q_proj", Group::kQkv, c.width, c.q_width(), 0);
    add("self_attn.k_proj", Group::kQkv, c.width, c.kv_width(), c.q_width());
    add("self_attn.v_proj", Group::kQkv, c.width, c.kv_width(), c.q_width() + c.kv_width());
    add("self_attn.o_proj", Group::kOutput, c.q_width(), c.width, 0);
    add("mlp.gate_proj", Group::kGateUp, c.width, c.intermediate, 0);
    add("mlp.up_proj", Group::kGateUp, c.width, c.intermediate, c.intermediate);
    add("mlp.down_proj", Group::kDown, c.intermediate, c.width, 0);
  }
  return all;
}

std::vector<std::string> nearest_projections(const std::vector<Projection>& all, const std::string& name,
                                             size_t most) {
  std::vector<std::pair<size_t, size_t>> distances;  // to the name, index
  for (size_t i = 0; i < all.size(); ++i) distances.emplace_back(edit_distance(name, all[i].name), i);
  most = std::min(most, distances.size());
  std::partial_sort(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(most),
                    distances.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < most; ++i) names.push_back(all[distances[i].second].name);
  return names;
}

}  // namespace swirl
