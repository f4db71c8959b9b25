#include "sampler.h"

#include <algorithm>
#include <cmath>

#include "error.h"
#include "rng.h"
#include "sampler_state.h"

namespace swirl {
namespace {

void stop_if_cancelled(const Call& call) {
  if (call.cancelled && call.cancelled->load(std::memory_order_relaxed)) {
    throw Error("ABORTED", "generate", "generate was aborted");
  }
}

}  // namespace

Sampler::Sampler(Device& device, const ModelConfig& config, swirl_dtype dtype, Model& model, const Head& head,
                 Buffer& workspace, Buffer& lists)
    : device_(device),
      c_(config),
      dtype_(dtype),
      model_(model),
      head_(head),
      workspace_(workspace),
      lists_(lists),
      cache_(device, config, dtype) {}

Sampler::Pending Sampler::find_prompts(const std::vector<Prompt>& prompts) {
  Pending pending;
  std::unordered_map<int32_t, int32_t> row_of;
  const auto append = [&](int32_t token, int32_t position, int32_t slot, int32_t node) {
    row_of[node] = pending.rows.rows();
    pending.rows.token.push_back(token);
    pending.rows.position.push_back(position);
    pending.rows.slot.push_back(slot);
  };
  for (size_t p = 0; p < prompts.size(); ++p) {
    const Prompt& prompt = prompts[p];
    const auto length = static_cast<int32_t>(prompt.tokens.size());
    int32_t node = cache_.root(), t = 0;
    while (t < length) {
      const int32_t child = cache_.find(node, prompt.tokens[t]);
      if (child == KvCache::kNone) break;
      node = child;
      ++t;
    }
    pending.cached += t;
    const int32_t begin = pending.rows.rows();
    for (; t < length; ++t) {
      const int32_t slot = cache_.take_slots(1);
      node = cache_.add(node, prompt.tokens[t], slot);
      append(prompt.tokens[t], t, slot, node);
    }
    if (!row_of.count(node)) {
      // Known from an earlier call: its keys and values are cached, but not its hidden row.
      append(prompt.tokens.back(), length - 1, cache_.slot(node), node);
      --pending.cached;
    }
    if (pending.rows.rows() > begin) {
      pending.runs.push_back({begin, pending.rows.rows(), static_cast<int32_t>(p)});
    }
    pending.last_row.push_back(row_of[node]);
    pending.last_node.push_back(node);
    pending.path.push_back(cache_.path(node));
  }
  return pending;
}

void Sampler::run(const RowLists& lists, const Scratch& s) {
  const Rows rows = upload(lists, device_, lists_);
  const CacheView view = cache_.view();
  model_.forward(rows, s.activations, &view);
}

void Sampler::prefill(const Pending& pending, const Scratch& s, const Call& call, int64_t total) {
  const swirl_kernels& k = device_.kernels();
  const int32_t rows = pending.rows.rows();
  size_t run_index = 0;
  for (int32_t begin = 0; begin < rows; begin += kPrefillRows) {
    stop_if_cancelled(call);
    const int32_t end = std::min(rows, begin + kPrefillRows);
    RowLists pass;
    pass.token.assign(pending.rows.token.begin() + begin, pending.rows.token.begin() + end);
    pass.position.assign(pending.rows.position.begin() + begin, pending.rows.position.begin() + end);
    pass.slot.assign(pending.rows.slot.begin() + begin, pending.rows.slot.begin() + end);
    for (; run_index < pending.runs.size(); ++run_index) {
      const Pending::Run& r = pending.runs[run_index];
      if (r.begin >= end) break;
      const int32_t from = std::max(r.begin, begin), to = std::min(r.end, end);
      std::vector<Interval> path = pending.path[r.prompt];
      int32_t beyond = r.end - to;  // rows of this run that later passes compute
      while (beyond > 0) {
        const int32_t length = path.back().end - path.back().begin;
        const int32_t cut = std::min(length, beyond);
        path.back().end -= cut;
        if (cut == length) path.pop_back();
        beyond -= cut;
      }
      pass.add_segment(from - begin, to - begin, path);
      if (r.end > end) break;
    }
    run(pass, s);

    for (size_t i = 0; i < pending.last_row.size(); ++i) {
      const int32_t row = pending.last_row[i];
      if (row < begin || row >= end) continue;
      device_.check(k.copy(device_.handle(), s.hidden + i * c_.width,
                           s.activations.output + size_t(row - begin) * c_.width, c_.width * sizeof(float)),
                    "copy");
    }
    if (call.progress) call.progress(end, total);
  }
}

// Draws one token for each of `active` from its row of `hidden` [active, width].
void Sampler::draw(std::vector<Active*>& active, const float* hidden, const GenerateOptions& options,
                   const Scratch& s) {
  const auto count = static_cast<int32_t>(active.size());
  std::vector<float> uniforms(count), logprobs(count);
  std::vector<int32_t> tokens(count);
  for (int32_t i = 0; i < count; ++i) {
    uniforms[i] = uniform(active[i]->seed, active[i]->sample, active[i]->completion.tokens.size());
  }
  for (int32_t begin = 0; begin < count; begin += s.chunk) {
    const int32_t rows = std::min(s.chunk, count - begin);
    model_.final_norm(rows, hidden + size_t(begin) * c_.width, s.normed, s.rstd);
    model_.logits(rows, s.normed, s.logits);
    device_.check(
        device_.kernels().sample(device_.handle(), rows, c_.vocab, s.logits, c_.logit_softcap,
                                 &options.sampling, &uniforms[begin], &tokens[begin], &logprobs[begin]),
        "sample");
  }
  for (int32_t i = 0; i < count; ++i) {
    if (!std::isfinite(logprobs[i])) {
      throw Error("NUMERICS", "generate", "generate: the logits are not finite",
                  "the weights are too large for this model's arithmetic: load an earlier checkpoint");
    }
    active[i]->completion.tokens.push_back(tokens[i]);
    active[i]->completion.logprobs.push_back(logprobs[i]);
  }
}

namespace {

// Whether a completion ends with its newest token, and why.
bool ends(Completion& completion, std::string& tail, int32_t limit, const GenerateOptions& options,
          const TokenBytes& text) {
  const int32_t token = completion.tokens.back();
  if (std::find(options.stop_tokens.begin(), options.stop_tokens.end(), token) != options.stop_tokens.end()) {
    completion.finish = Finish::kEos;
    return true;
  }
  if (!options.stop_strings.empty()) {
    const size_t seen = tail.size();
    tail.append(text.bytes.begin() + text.offsets[token], text.bytes.begin() + text.offsets[token + 1]);
    size_t longest = 0;
    for (const std::string& stop : options.stop_strings) {
      longest = std::max(longest, stop.size());
      const size_t from = seen >= stop.size() ? seen - stop.size() + 1 : 0;
      if (tail.find(stop, from) != std::string::npos) {
        completion.finish = Finish::kStop;
        return true;
      }
    }
    if (tail.size() > longest) tail.erase(0, tail.size() - longest);
  }
  completion.finish = Finish::kLength;
  return static_cast<int32_t>(completion.tokens.size()) >= limit;
}

}  // namespace

void Sampler::decode(std::vector<Active>& all, const GenerateOptions& options, const TokenBytes& text,
                     const Scratch& s, const Call& call, GenerateStats& stats) {
  const swirl_kernels& k = device_.kernels();
  std::vector<Active*> active;
  for (Active& a : all) active.push_back(&a);

  // The first token: n completions read their prompt's one hidden row.
  for (size_t begin = 0; begin < active.size(); begin += s.chunk) {
    const size_t end = std::min(active.size(), begin + s.chunk);
    std::vector<Active*> part(active.begin() + begin, active.begin() + end);
    std::vector<int32_t> index;
    for (const Active* a : part) index.push_back(a->prompt);
    device_.upload(s.index, index.data(), index.size() * sizeof(int32_t));
    device_.check(k.gather_rows(device_.handle(), static_cast<int32_t>(index.size()), c_.width, s.index,
                                s.hidden, c_.width, s.expanded, c_.width, SWIRL_FLOAT32),
                  "gather");
    draw(part, s.expanded, options, s);
  }

  int64_t total = 0;
  for (const Active& a : all) total += a.limit;
  RowLists step;
  for (;;) {
    std::vector<Active*> going;
    for (Active* a : active) {
      ++stats.decoded_tokens;
      if (!ends(a->completion, a->tail, a->limit, options, text)) going.push_back(a);
    }
    active.swap(going);
    if (active.empty()) break;
    stop_if_cancelled(call);

    step.clear();
    for (Active* a : active) {
      if (a->next_slot == a->last_slot) {
        a->next_slot = cache_.take_slots(kSlotBlock);
        a->last_slot = a->next_slot + kSlotBlock;
      }
      const int32_t slot = a->next_slot++, row = step.rows();
      a->node = cache_.add(a->node, a->completion.tokens.back(), slot);
      append_slot(a->path, slot);
      step.token.push_back(a->completion.tokens.back());
      step.position.push_back(a->position++);
      step.slot.push_back(slot);
      step.add_segment(row, row + 1, a->path);
    }
    run(step, s);
    draw(active, s.activations.output, options, s);
    if (call.progress) call.progress(stats.decoded_tokens, total);
  }
}

std::vector<Sampler::Active> Sampler::branch(const Pending& pending, const std::vector<Prompt>& prompts,
                                             int32_t n) const {
  std::vector<Active> active;
  for (size_t p = 0; p < prompts.size(); ++p) {
    for (int32_t j = 0; j < n; ++j) {
      Active a;
      a.prompt = static_cast<int32_t>(p);
      a.sample = j;
      a.seed = prompts[p].seed;
      a.limit = limit_of(prompts[p], c_);
      a.node = pending.last_node[p];
      a.position = static_cast<int32_t>(prompts[p].tokens.size());
      a.path = pending.path[p];
      active.push_back(std::move(a));
    }
  }
  return active;
}

std::vector<std::vector<Completion>> Sampler::generate(const std::vector<Prompt>& prompts,
                                                       const GenerateOptions& options, const TokenBytes& text,
                                                       const Adapter* adapter, uint64_t max_bytes,
                                                       const Call& call, GenerateStats* stats_out) {
  if (!options.stop_strings.empty() && text.offsets.empty()) {
    throw argument_error("INPUT", "generate", "options.stopStrings", "not empty",
                         "empty until setTokenBytes was called",
                         "load the policy from a folder with tokenizer.json, or use stop tokens");
  }
  const int64_t sequences = static_cast<int64_t>(prompts.size()) * options.n;
  if (sequences > INT32_MAX / 2) {
    throw Error("INPUT", "generate", std::to_string(sequences) + " completions in one call",
                "use smaller batches");
  }
  adapter_ = adapter;
  cache_.begin_call(adapter);
  KvCache::Mark before = cache_.mark();
  GenerateStats stats;
  std::vector<Active> active;
  try {
    const Pending pending = make_room(prompts, options.n, max_bytes, &before);
    Arena arena(workspace_.as<void>());
    const Scratch scratch = plan(arena, pass_rows(pending, sequences), static_cast<int32_t>(sequences));
    stats.prefill_tokens = pending.rows.rows();
    stats.cached_tokens = pending.cached;
    prefill(pending, scratch, call, pending.rows.rows());
    active = branch(pending, prompts, options.n);
    decode(active, options, text, scratch, call, stats);
  } catch (...) {
    cache_.undo(before);  // slots may be allocated but not written
    throw;
  }

  std::vector<std::vector<Completion>> out(prompts.size());
  for (Active& a : active) out[a.prompt].push_back(std::move(a.completion));
  if (stats_out) *stats_out = stats;
  return out;
}

}  // namespace swirl
