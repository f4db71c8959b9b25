// Sampler: samples completions of prompts. Prompts share common prefixes, completions share their prompt, and prefixes
// that an earlier call computed with the same weights are reused from the KV cache.
#ifndef SWIRL_ENGINE_SAMPLER_H_
#define SWIRL_ENGINE_SAMPLER_H_

#include <string>
#include <vector>

#include "head.h"
#include "kv_cache.h"

namespace swirl {

// UTF-8 bytes of every token id, so that stop strings are found across token boundaries.
struct TokenBytes {
  std::vector<uint8_t> bytes;
  std::vector<int32_t> offsets;  // [vocab + 1]; empty: unknown
};

class Sampler {
 public:
  Sampler(Device&, const ModelConfig&, swirl_dtype, Model&, const Head&, Buffer& workspace, Buffer& lists);

  // Returns completions [prompts][n]. max_bytes: limit on memory other than the parameters, including the KV cache and
  // packed weights.
  std::vector<std::vector<Completion>> generate(const std::vector<Prompt>&, const GenerateOptions&,
                                                const TokenBytes&, const Adapter*, uint64_t max_bytes,
                                                const Call&, GenerateStats*);
  KvCache& cache() { return cache_; }

 private:
  struct Pending;
  struct Active;
  struct Scratch;
  struct Needs;

  Pending find_prompts(const std::vector<Prompt>&);
  static int32_t pass_rows(const Pending&, int64_t sequences);
  Needs needs(const Pending&, const std::vector<Prompt>&, int32_t n) const;
  // Looks the prompts up in the cache and allocates the memory of the call within max_bytes, evicting unused rows.
  Pending make_room(const std::vector<Prompt>&, int32_t n, uint64_t max_bytes, KvCache::Mark* before);
  void prefill(const Pending&, const Scratch&, const Call&, int64_t total);
  std::vector<Active> branch(const Pending&, const std::vector<Prompt>&, int32_t n) const;
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
  Buffer &workspace_, &lists_;
  KvCache cache_;
  const Adapter* adapter_ = nullptr;  // of the call; null: the base alone
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_SAMPLER_H_
