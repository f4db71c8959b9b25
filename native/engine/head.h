// Head: the language-model head. Computes log-probs of labels and their gradient, one chunk of rows at a time, so that
// logits exist for one chunk only. D marks buffers in the compute dtype.
#ifndef SWIRL_ENGINE_HEAD_H_
#define SWIRL_ENGINE_HEAD_H_

#include <functional>
#include <vector>

#include "model.h"
#include "schedule.h"

namespace swirl {

class Head {
 public:
  Head(Device&, const ModelConfig&, swirl_dtype, Parameters&, Model&);

  struct Scratch {
    int32_t chunk = 0;                     // maximum rows per chunk
    float* rows = nullptr;                 // [chunk, width] gathered residual stream
    void* normed = nullptr;                // [chunk, width] D
    float* rstd = nullptr;                 // [chunk]
    float* logits = nullptr;               // [chunk, vocab]
    void* dlogits = nullptr;               // [chunk, vocab] D; the logits themselves in float32
    float* dnormed = nullptr;              // [chunk, width]
    float* drows = nullptr;                // [chunk, width]
    float* logprob = nullptr;              // [labels]
    float* lse = nullptr;                  // [chunk]
    float* entropy = nullptr;              // [chunk]
    float* coefficient = nullptr;          // [labels]
    float* entropy_coefficient = nullptr;  // [chunk]
    int32_t* index = nullptr;              // [chunk]
    int32_t* offset = nullptr;             // [chunk + 1]
    int32_t* target = nullptr;             // [labels]
  };
  // Lays out scratch for batches of at most this many rows. labels: upper bound per chunk.
  Scratch plan(Arena&, int32_t rows, int32_t labels, bool backward) const;

  struct Result {
    std::vector<float> logprob;  // [labels] of the batch
    std::vector<float> entropy;  // [labelled rows] of the batch
  };
  // Input and output of the callback that computes the loss for one chunk of labelled rows.
  struct Chunk {
    int32_t first_row, last_row;      // of the batch's labelled rows
    int32_t first_label, last_label;  // of the batch's labels
    const float* logprob;             // [labels of the chunk]
    const float* entropy;             // [rows of the chunk]
    float* coefficient;               // [labels of the chunk] to fill: d loss / d log-prob
    float* entropy_coefficient;  // [rows of the chunk] to fill: d loss / d entropy; null without the term
  };
  // Computes the log-prob of every label of a batch. With `coefficients`, also runs the backward: the callback is
  // called once per chunk, and the gradients are added to a.gradient, which the caller has zeroed. entropy_term:
  // whether the loss has an entropy term.
  using Coefficients = std::function<void(const Chunk&)>;
  Result run(const BatchLists&, const Activations& a, const Scratch&, float temperature, const Coefficients*,
             bool entropy_term);

  int32_t chunk_rows(int32_t rows) const;

 private:
  Device& device_;
  const ModelConfig& c_;
  swirl_dtype dtype_;
  Parameters& p_;
  Model& model_;
  const int32_t full_rows_;  // rows per pass that saturate the device
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_HEAD_H_
