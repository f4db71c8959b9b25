// The limits of a model and of float32: the one place where arguments are checked against them.
//
// Every function throws Error naming the field, its value and what it must be. Codes: "CHECKPOINT" for a
// config, "INPUT" for the rest.
#ifndef SWIRL_ENGINE_VALIDATE_H_
#define SWIRL_ENGINE_VALIDATE_H_

#include "types.h"

namespace swirl {

void validate(const ModelConfig&);
// Every sequence can be scored.
void validate(const ModelConfig&, const std::vector<Sequence>&, const char* op);
// Every sequence can be trained on with this loss.
void validate(const ModelConfig&, const std::vector<TrainSequence>&, const LossOptions&, const char* op);
void validate(const OptimizerOptions&, size_t parameters, const char* op);
void validate(const ModelConfig&, const std::vector<Prompt>&, const GenerateOptions&);
// Log-probs are of a softmax at this temperature. `field` names it.
void validate_temperature(float temperature, const char* field, const char* op);

// The index of the first element that a weight may not be, -1 = none: what is not finite, and what bfloat16
// would round to infinity. `bytes` are little-endian, of `dtype`.
int64_t first_not_finite(const uint8_t* bytes, size_t count_bytes, swirl_dtype);

}  // namespace swirl

#endif  // SWIRL_ENGINE_VALIDATE_H_
