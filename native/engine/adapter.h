// Adapter: low-rank changes (LoRA) of a base's projections, y = W·x + scale · B·(A·x).
//
// A [rank, in] and B [out, rank] have float32 masters and a copy in the compute dtype; the base does not change. The A
// of a group (adapter_modules.h) are adjacent, so one product gives A·x of all its projections.
// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
#ifndef SWIRL_ENGINE_ADAPTER_H_
#define SWIRL_ENGINE_ADAPTER_H_

#include <array>
#include <vector>

#include "adapter_modules.h"
#include "tensors.h"

namespace swirl {

// The adapted projections of one group of a layer.
struct AdaptedGroup {
  struct Part {
    int32_t out, first_out;    // columns of the group's output
    int32_t rank, first_rank;  // columns of A·x
    int64_t b;                 // offset of B [out, rank]
  };
  int32_t in = 0;
  int32_t ranks = 0;   // sum over the parts; 0 = the group is not adapted
  int64_t a = -1;      // offset of the A, [ranks, in]
  int64_t factor = 0;  // where the scales of the columns of A·x begin
  std::vector<Part> parts;
};

class Adapter : public Tensors {
 public:
  // A and B are zero. The options must have passed validate().
  Adapter(Device&, const ModelConfig&, swirl_dtype, const std::string& name, const AdapterOptions&);

  const AdaptedGroup& group(int32_t layer, Group g) const { return layers_[layer][static_cast<size_t>(g)]; }
  bool adapts(int32_t layer, Group g) const { return group(layer, g).ranks > 0; }
  bool adapts_attention(int32_t layer) const {
    return adapts(layer, Group::kQkv) || adapts(layer, Group::kOutput);
  }
  int32_t lowest_layer() const { return lowest_layer_; }  // with an adapted projection
  // Maximum `ranks` of a group over all layers.
  int32_t ranks(Group g) const { return ranks_[static_cast<size_t>(g)]; }
  // The scale of each column of A·x. [ranks]
  const float* factor(const AdaptedGroup& g) const { return factors_.as<float>() + g.factor; }

  // Bytes of its weights, before they are allocated; the scales included.
  static uint64_t bytes_of(const ModelConfig&, swirl_dtype, const AdapterOptions&);
  uint64_t scale_bytes() const { return factors_.bytes(); }  // in addition to Tensors::bytes(); any thread

 private:
  std::vector<std::array<AdaptedGroup, kGroups>> layers_;
  std::array<int32_t, kGroups> ranks_{};
  int32_t lowest_layer_ = 0;
  Buffer factors_;  // [sum of all ranks]
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_ADAPTER_H_
