// Sampler: grows the token tree. Prompts share what they have in common, completions share their prompt, and
// what an earlier call computed under the same weights is found in the KV cache.
#ifndef SWIRL_ENGINE_SAMPLER_H_
#define SWIRL_ENGINE_SAMPLER_H_

#include <string>
#include <vector>

#include "head.h"
#include "kv_cache.h"

namespace swirl {

// UTF-8 bytes of every token id, so that stop strings are found across token borders.
struct TokenBytes {
  std::vector<uint8_t> bytes;
  std::vector<int32_t> offsets;  // [vocab + 1]; empty: unknown
};

class Sampler {
 public:
  Sampler(Device&, const ModelConfig&, swirl_dtype, Model&, const Head&, Buffer& workspace);

  // [prompts][n]. max_cache_bytes bounds the KV cache.
  std::vector<std::vector<Completion>> generate(const std::vector<Prompt>&, const GenerateOptions&,
                                                const TokenBytes&, uint64_t max_cache_bytes, const Call&,
                                                GenerateStats*);
  KvCache& cache() { return cache_; }

 private:
  struct Pending;
  struct Active;
  struct Scratch;

  Pending find_prompts(const std::vector<Prompt>&);
  void prefill(const Pending&, const Scratch&, const Call&, int64_t total);
  void decode(std::vector<Active>&, const GenerateOptions&, const TokenBytes&, const Scratch&, const Call&,
              GenerateStats&);
  void run(const RowLists&, const Scratch&);
  void draw(std::vector<Active*>&, const float* hidden, const GenerateOptions&, const Scratch&);
  Scratch plan(Arena&, int32_t rows, int32_t sequences) const;

  Device& device_;
  const ModelConfig& c_;
  swirl_dtype dtype_;
  Model& model_;
  const Head& head_;
  Buffer& workspace_;
  Buffer lists_;
  KvCache cache_;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_SAMPLER_H_
