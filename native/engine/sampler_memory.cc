// The memory of a sampler call, planned before it begins: nothing is allocated during decoding.
#include "sampler_state.h"

namespace swirl {

int32_t Sampler::pass_rows(const Pending& pending, int64_t sequences) {
  return std::max(std::min(pending.rows.rows(), kPrefillRows), static_cast<int32_t>(sequences));
}

Sampler::Scratch Sampler::plan(Arena& arena, int32_t rows, int32_t sequences) const {
  Scratch s;
  s.activations = model_.plan(arena, rows, rows, Keep::kNothing, adapter_);
  s.chunk = head_.chunk_rows(sequences);
  s.hidden = arena.take<float>(size_t(sequences) * c_.width);
  s.expanded = arena.take<float>(size_t(s.chunk) * c_.width);
  s.normed = arena.take_bytes(size_t(s.chunk) * c_.width * size_of(dtype_));
  s.rstd = arena.take<float>(s.chunk);
  s.logits = arena.take<float>(size_t(s.chunk) * c_.vocab);
  s.index = arena.take<int32_t>(std::max(rows, s.chunk));
  return s;
}

Sampler::Needs Sampler::needs(const Pending& pending, const std::vector<Prompt>& prompts, int32_t n) const {
  const int64_t sequences = static_cast<int64_t>(prompts.size()) * n;
  int64_t prefill_intervals = 0, decode_intervals = 0;
  for (const Pending::Run& r : pending.runs) prefill_intervals += pending.path[r.prompt].size();
  for (size_t p = 0; p < prompts.size(); ++p) {
    decode_intervals += n * (int64_t(pending.path[p].size()) + slot_blocks(limit_of(prompts[p], c_)));
  }
  Needs out;
  Arena measure;
  plan(measure, pass_rows(pending, sequences), static_cast<int32_t>(sequences));
  out.workspace = measure.used();
  const int64_t pass = std::min(pending.rows.rows(), kPrefillRows);
  out.lists = std::max(list_bytes(pass, pending.runs.size(), prefill_intervals),
                       list_bytes(sequences, sequences, decode_intervals));
  out.tables = model_.table_bytes(positions_of(prompts, c_));
  return out;
}

Sampler::Pending Sampler::make_room(const std::vector<Prompt>& prompts, int32_t n, uint64_t max_bytes,
                                    KvCache::Mark* before) {
  int64_t decode_slots = 0;
  for (const Prompt& p : prompts) decode_slots += n * slot_blocks(limit_of(p, c_)) * kSlotBlock;
  Pending pending;
  Needs need;
  for (;;) {
    pending = find_prompts(prompts);
    need = needs(pending, prompts, n);
    // Memory that earlier calls left may be larger; it is freed only if that helps.
    const Needs kept = {std::max<uint64_t>(need.workspace, workspace_.bytes()),
                        std::max<uint64_t>(need.lists, lists_.bytes()), need.tables};
    const auto held = [&](const Needs& beside) {
      return beside.sum() + cache_.bytes() + model_.packed_bytes();
    };
    const bool fits = cache_.fits(decode_slots);
    if (fits && held(kept) <= max_bytes) break;
    model_.drop_packed();  // the cache has priority
    if (fits && held(kept) <= max_bytes) break;
    const int64_t more = cache_.taken_since(*before) + decode_slots;
    uint64_t beside = kept.sum();
    if (fits || beside + cache_.wanted_bytes(more) > max_bytes) {
      workspace_.resize(0);
      lists_.resize(0);
      beside = need.sum();
      if (fits && held(need) <= max_bytes) break;
    }
    cache_.undo(*before);
    const uint64_t held_now = model_.table_bytes() + workspace_.bytes() + lists_.bytes();
    cache_.reserve(more, max_bytes - std::min(max_bytes, beside), max_bytes - std::min(max_bytes, held_now));
    *before = cache_.mark();
  }
  model_.reach_position(positions_of(prompts, c_));
  workspace_.reserve(need.workspace);
  lists_.reserve(need.lists);
  const uint64_t held = model_.table_bytes() + workspace_.bytes() + lists_.bytes() + cache_.bytes();
  model_.pack(max_bytes - std::min(max_bytes, held));
  return pending;
}

}  // namespace swirl
