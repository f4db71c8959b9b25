// The arguments of src/native/addon.ts as the engine's own structs: copied, checked, and refused by name.
#ifndef SWIRL_BINDINGS_REQUESTS_H_
#define SWIRL_BINDINGS_REQUESTS_H_

#include <string>
#include <utility>
#include <vector>

#include "bindings/argument.h"
#include "native/engine/engine.h"

namespace swirl {

EngineOptions read_engine_options(const Argument&);
TensorKind read_tensor_kind(const Argument&);
swirl_dtype read_dtype(const Argument&);

// With advantages and reference log-probs when `train`. Checked against the model: every sequence can be
// scored.
std::vector<Sequence> read_sequences(const Argument&, const ModelConfig&, bool train);
LossOptions read_loss(const Argument&);
OptimizerOptions read_optimizer(const Argument&);

// `has_token_bytes`: stop strings can be seen.
GenerateOptions read_generate_options(const Argument&, const ModelConfig&, bool has_token_bytes);
std::vector<Prompt> read_prompts(const Argument&, const ModelConfig&);

// Token bytes and their offsets, [vocab + 1] and ascending from 0 to the number of bytes.
std::pair<std::vector<uint8_t>, std::vector<int32_t>> read_token_bytes(const Argument& bytes,
                                                                       const Argument& offsets,
                                                                       const ModelConfig&);

}  // namespace swirl

#endif  // SWIRL_BINDINGS_REQUESTS_H_
