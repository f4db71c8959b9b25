// Checks arguments against the limits of the model and of float32. Only this file and validate_adapter.cc do so.
//
// Every function throws an Error with the field, its value and what it must be. Code: "CHECKPOINT" for a config,
// otherwise "INPUT".
#ifndef SWIRL_ENGINE_VALIDATE_H_
#define SWIRL_ENGINE_VALIDATE_H_

#include "types.h"

namespace swirl {

void validate(const ModelConfig&);
// Checks that every sequence can be scored.
void validate(const ModelConfig&, const std::vector<Sequence>&, const char* op);
// Checks that every sequence can be trained on with this loss.
void validate(const ModelConfig&, const std::vector<TrainSequence>&, const LossOptions&, const char* op);
void validate(const OptimizerOptions&, size_t parameters, const char* op);
void validate(const ModelConfig&, const std::vector<Prompt>&, const GenerateOptions&);
// Checks that every module is a projection of the model, named once, with a possible rank and scale.
void validate(const ModelConfig&, const AdapterOptions&);  // validate_adapter.cc
// Checks a temperature for log-probs. `field` is its name in errors.
void validate_temperature(float temperature, const char* field, const char* op);

// The index of the first element that is not a valid weight (not finite, or infinite when rounded to bfloat16); -1 =
// none. `bytes` are little-endian, of `dtype`.
int64_t first_not_finite(const uint8_t* bytes, size_t count_bytes, swirl_dtype);

}  // namespace swirl

#endif  // SWIRL_ENGINE_VALIDATE_H_
