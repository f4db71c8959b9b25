// The matrices of a model that an adapter can change: every projection of every layer.
#ifndef SWIRL_ENGINE_ADAPTER_MODULES_H_
#define SWIRL_ENGINE_ADAPTER_MODULES_H_

#include <string>
#include <vector>

#include "types.h"

namespace swirl {

// Projections of one input, whose matrices are adjacent: q, k, v; o; gate, up; down.
enum class Group { kQkv, kOutput, kGateUp, kDown };
constexpr int32_t kGroups = 4;

struct Projection {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  int32_t layer;
  Group group;
  int32_t in, out;    // of the matrix [out, in]
  int32_t first_out;  // its first column in the group's output
};

// In the order of the base's parameters.
std::vector<Projection> projections(const ModelConfig&);

// Up to `most` names of projections, the most similar to `name` first.
std::vector<std::string> nearest_projections(const std::vector<Projection>&, const std::string& name,
                                             size_t most);

}  // namespace swirl

#endif  // SWIRL_ENGINE_ADAPTER_MODULES_H_
