#include "adapter.h"

#include <algorithm>
#include <unordered_map>

namespace swirl {

Adapter::Adapter(Device& device, const ModelConfig& config, swirl_dtype dtype, const std::string& name,
                 const AdapterOptions& options)
    : Tensors(device, dtype, options.trainable,
              {"adapter \"" + name + "\"", "check that the adapter belongs to this base",
               "adapter \"" + name + "\" was added with trainable: false", "add it with trainable: true"}),
      layers_(config.layers),
      lowest_layer_(config.layers),
      factors_(device, "an adapter's scales") {
  std::unordered_map<std::string, const AdapterModule*> wanted;
  for (const AdapterModule& module : options.modules) wanted.emplace(module.name, &module);
  const std::vector<Projection> all = projections(config);
  std::vector<float> factors;
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    while (end < all.size() && all[end].layer == all[begin].layer && all[end].group == all[begin].group)
      ++end;
    AdaptedGroup& group = layers_[all[begin].layer][static_cast<size_t>(all[begin].group)];
    group.in = all[begin].in;
    group.factor = static_cast<int64_t>(factors.size());
    std::vector<const Projection*> adapted;
    for (size_t i = begin; i < end; ++i) {
      const auto found = wanted.find(all[i].name);
      if (found == wanted.end()) continue;
      const AdapterModule& module = *found->second;
      const int64_t a = add(all[i].name + ".lora_A.weight", {module.rank, group.in});
      if (group.parts.empty()) group.a = a;
      group.parts.push_back({all[i].out, all[i].first_out, module.rank, group.ranks, -1});
      group.ranks += module.rank;
      factors.insert(factors.end(), static_cast<size_t>(module.rank), static_cast<float>(module.scale));
      adapted.push_back(&all[i]);
    }
    for (size_t i = 0; i < adapted.size(); ++i) {
      AdaptedGroup::Part& part = group.parts[i];
      part.b = add(adapted[i]->name + ".lora_B.weight", {part.out, part.rank});
    }
    int32_t& most = ranks_[static_cast<size_t>(all[begin].group)];
    most = std::max(most, group.ranks);
    if (group.ranks > 0) lowest_layer_ = std::min(lowest_layer_, all[begin].layer);
  }
  end_matrices();
  allocate(true);
  factors_.resize(factors.size() * sizeof(float));
  device.upload(factors_.as<void>(), factors.data(), factors_.bytes());
}

uint64_t Adapter::bytes_of(const ModelConfig& config, swirl_dtype dtype, const AdapterOptions& options) {
  std::unordered_map<std::string, int32_t> ranks;
  for (const AdapterModule& module : options.modules) ranks.emplace(module.name, module.rank);
  uint64_t elements = 0, columns = 0;
  for (const Projection& p : projections(config)) {
    const auto found = ranks.find(p.name);
    if (found == ranks.end()) continue;
    elements += uint64_t(found->second) * (uint64_t(p.in) + p.out);
    columns += found->second;
  }
  return elements * (sizeof(float) + (dtype == SWIRL_BFLOAT16 ? 2 : 0)) + columns * sizeof(float);
}

}  // namespace swirl
