// Converts the arguments of src/native/addon.ts to the structs of the engine. Checks types only; the engine checks them
// against the model (native/engine/validate.h).
#ifndef SWIRL_BINDINGS_REQUESTS_H_
#define SWIRL_BINDINGS_REQUESTS_H_

#include <string>
#include <utility>
#include <vector>

#include "bindings/argument.h"
#include "native/engine/types.h"

namespace swirl {

EngineOptions read_engine_options(const Argument&);
TensorKind read_tensor_kind(const Argument&);
// The name of an adapter; absent = "", the base.
std::string read_adapter(const Argument&);
std::string adapter_of(const Argument& call);  // {adapter?} or absent
AdapterOptions read_adapter_options(const Argument&);
swirl_dtype read_dtype(const Argument&);

std::vector<Sequence> read_sequences(const Argument&);
std::vector<TrainSequence> read_batch(const Argument&);
LossOptions read_loss(const Argument&);
OptimizerOptions read_optimizer(const Argument&);

GenerateOptions read_generate_options(const Argument&);
std::vector<Prompt> read_prompts(const Argument&);

// Token bytes and their offsets, [vocab + 1] and ascending from 0 to the number of bytes.
std::pair<std::vector<uint8_t>, std::vector<int32_t>> read_token_bytes(const Argument& bytes,
                                                                       const Argument& offsets,
                                                                       const ModelConfig&);

}  // namespace swirl

#endif  // SWIRL_BINDINGS_REQUESTS_H_
