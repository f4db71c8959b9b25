// State of one sampler call: prompt rows to compute, unfinished completions, and the memory that they share.
#ifndef SWIRL_ENGINE_SAMPLER_STATE_H_
#define SWIRL_ENGINE_SAMPLER_STATE_H_

#include <algorithm>

#include "sampler.h"

namespace swirl {

constexpr int32_t kPrefillRows = 2048;  // rows per pass over prompts: enough for full-speed matrix products
// Completions take slots in runs of this length, so that paths have few intervals.
constexpr int32_t kSlotBlock = 16;

// Maximum tokens of a prompt's completions: its limit, or the rest of the context if that is less.
inline int32_t limit_of(const Prompt& prompt, const ModelConfig& config) {
  return std::min(prompt.max_new_tokens, config.max_positions - static_cast<int32_t>(prompt.tokens.size()));
}

// Runs of slots that a completion of so many tokens needs. Its last token needs none: it is sampled, but not computed.
inline int64_t slot_blocks(int32_t limit) { return (limit - 1 + kSlotBlock - 1) / kSlotBlock; }

// One more than the highest position of any completion.
inline int32_t positions_of(const std::vector<Prompt>& prompts, const ModelConfig& config) {
  int32_t positions = 0;
  for (const Prompt& p : prompts) {
    positions = std::max(positions, static_cast<int32_t>(p.tokens.size()) + limit_of(p, config));
  }
  return positions;
}

// Prompt rows that are not in the cache, and which of them end a prompt.
struct Sampler::Pending {
  struct Run {
    int32_t begin, end;  // rows
    int32_t prompt;      // that they end
  };
  RowLists rows;  // without segments: each pass makes its own
  std::vector<Run> runs;
  std::vector<int32_t> last_row;            // [prompts]
  std::vector<int32_t> last_node;           // [prompts]
  std::vector<std::vector<Interval>> path;  // [prompts] slots of the whole prompt
  int64_t cached = 0;
};

struct Sampler::Active {
  int32_t prompt, sample;
  uint64_t seed;
  int32_t limit;                         // maximum tokens
  int32_t node;                          // last computed row
  int32_t position;                      // of the next token
  std::vector<Interval> path;            // slots up to the last computed row
  int32_t next_slot = 0, last_slot = 0;  // unused slots of the current run
  Completion completion;
  std::string tail;  // last decoded bytes, as many as the longest stop string needs
};

struct Sampler::Scratch {
  Activations activations;
  float* hidden = nullptr;    // [sequences, width] residual stream of rows that end a prompt
  float* expanded = nullptr;  // [chunk, width]
  void* normed = nullptr;     // [chunk, width] D
  float* rstd = nullptr;      // [chunk]
  float* logits = nullptr;    // [chunk, vocab]
  int32_t* index = nullptr;   // [max(rows, chunk)]
  int32_t chunk = 0;
};

// Bytes that a call needs in addition to the KV cache.
struct Sampler::Needs {
  uint64_t workspace = 0, lists = 0, tables = 0;
  uint64_t sum() const { return workspace + lists + tables; }
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_SAMPLER_STATE_H_
