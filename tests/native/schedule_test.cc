// The schedule of a token tree: every row forward once and backward once, last in, first out, within its limits,
// with its whole path on the stack; and the lists of each batch against visibility spelled out row by row.
#include "native/engine/schedule.h"

#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <string>

namespace {

using namespace swirl;

int failures = 0;
void expect(bool condition, const std::string& what) {
  if (!condition && ++failures <= 20) std::fprintf(stderr, "FAIL %s\n", what.c_str());
}

// Sequences that fork at random places of earlier ones.
std::vector<Sequence> random_sequences(std::mt19937& rng, int count, int longest) {
  const auto below = [&](int n) { return static_cast<int>(rng() % static_cast<unsigned>(n)); };
  std::vector<Sequence> out;
  for (int i = 0; i < count; ++i) {
    Sequence s;
    if (i > 0 && below(5) != 0) {
      const auto& from = out[size_t(below(i))].tokens;
      s.tokens.assign(from.begin(), from.begin() + 1 + below(int(from.size())));
    }
    const int length = std::max(2, int(s.tokens.size()) + below(longest));
    while (int(s.tokens.size()) < length) s.tokens.push_back(below(3));
    s.action_start = 1 + below(length - 1);
    out.push_back(std::move(s));
  }
  return out;
}

void check_schedule(const TokenTree& tree, int32_t stack_limit, int32_t batch_limit,
                    const std::string& what) {
  const Schedule plan = schedule(tree, stack_limit, batch_limit);
  expect(plan.stack_rows <= stack_limit, what + "the stack is higher than its limit");
  std::vector<int> forward(plan.batches.size()), backward(plan.batches.size());
  std::vector<int32_t> stack;  // batches
  std::set<int32_t> live;      // segments
  std::set<int32_t> scheduled;
  int32_t height = 0;
  std::vector<int> labels_seen(tree.labels());
  for (const Schedule::Step step : plan.steps) {
    const Batch& batch = plan.batches[step.batch];
    if (step.backward) {
      expect(!stack.empty() && stack.back() == step.batch, what + "backward of a batch that is not on top");
      stack.pop_back();
      ++backward[step.batch];
      for (const int32_t s : batch.segments) live.erase(s);
      height -= batch.rows;
      continue;
    }
    ++forward[step.batch];
    expect(batch.base == height, what + "a batch does not stand on top of the stack");
    stack.push_back(step.batch);
    int32_t rows = 0;
    for (const int32_t s : batch.segments) {
      expect(scheduled.insert(s).second, what + "a segment in two batches");
      live.insert(s);
      const int32_t p = tree.segment_parent[s];
      expect(p < 0 || live.count(p), what + "a segment without its path on the stack");
      expect(plan.segment_slot[s] == batch.base + rows, what + "a segment in the wrong slot");
      rows += tree.segment_rows(s);
    }
    expect(rows == batch.rows && rows <= plan.batch_rows, what + "a batch's row count");
    expect(rows <= batch_limit || batch.segments.size() == 1, what + "a batch larger than its limit");
    height += rows;

    // The lists, against what each row should see.
    const BatchLists lists = batch_lists(tree, plan, batch);
    expect(lists.rows() == batch.rows && lists.base == batch.base, what + "the lists' rows");
    int32_t at = 0;
    for (const int32_t s : batch.segments) {
      for (int32_t r = tree.segment_begin[s]; r < tree.segment_begin[s + 1]; ++r, ++at) {
        std::vector<int32_t> path;  // slots by position, from the parents
        for (int32_t p = s, last = r; p >= 0; p = tree.segment_parent[p]) {
          for (int32_t x = last; x >= tree.segment_begin[p]; --x)
            path.push_back(plan.segment_slot[p] + x - tree.segment_begin[p]);
          if (tree.segment_parent[p] >= 0) last = tree.segment_begin[tree.segment_parent[p] + 1] - 1;
        }
        std::reverse(path.begin(), path.end());
        expect(lists.position[at] == int32_t(path.size()) - 1, what + "a row's position");
        expect(lists.token[at] == tree.token[r], what + "a row's token");
        int32_t segment = 0;
        while (lists.segment_end[segment] <= at) ++segment;
        std::vector<int32_t> listed;
        for (int32_t i = lists.path_offset[segment]; i < lists.path_offset[segment + 1]; ++i)
          for (int32_t slot = lists.path_begin[i]; slot < lists.path_end[i]; ++slot) listed.push_back(slot);
        expect(int32_t(listed.size()) == lists.path_length[segment], what + "a path's length");
        listed.resize(path.size());
        expect(listed == path, what + "a row's path");
        std::map<int32_t, int32_t> seen;  // slot -> position, from the key runs
        for (size_t run = 0; run < lists.key_begin.size(); ++run) {
          if (at < lists.key_query_begin[run] || at >= lists.key_query_end[run]) continue;
          for (int32_t slot = lists.key_begin[run]; slot < lists.key_end[run]; ++slot) {
            const int32_t position = lists.key_position[run] + slot - lists.key_begin[run];
            if (position <= lists.position[at])
              expect(seen.emplace(slot, position).second, what + "a key twice");
          }
        }
        expect(seen.size() == path.size(), what + "the key runs show a row other keys than its path");
        for (size_t i = 0; i < path.size(); ++i)
          expect(seen.count(path[i]) && seen[path[i]] == int32_t(i), what + "a key run's position");
      }
    }
    for (size_t i = 0; i < lists.label_row.size(); ++i) {
      expect(lists.token[lists.label_row[i]] == tree.token[tree.label_row[lists.tree_row[i]]],
             what + "a label's row");
      for (int32_t l = lists.label_offset[i]; l < lists.label_offset[i + 1]; ++l) {
        ++labels_seen[lists.label[l]];
        expect(lists.target[l] == tree.target[lists.label[l]], what + "a label's target");
      }
    }
  }
  expect(stack.empty(), what + "a batch without its backward");
  expect(int32_t(scheduled.size()) == tree.segments(), what + "segments left out");
  for (const int n : forward) expect(n == 1, what + "a batch forward other than once");
  for (const int n : backward) expect(n == 1, what + "a batch backward other than once");
  for (const int n : labels_seen) expect(n == 1, what + "a label scored other than once");
}

}  // namespace

int main() {
  std::mt19937 rng(5);
  int nested = 0, trees = 0;
  for (int round = 0; round < 150; ++round) {
    const auto sequences = random_sequences(rng, 1 + int(rng() % 24), 3 + int(rng() % 30));
    Sequences listed;
    for (const Sequence& s : sequences) listed.push_back(&s);
    const auto order = tree_order(listed);
    for (const bool share : {true, false}) {
      const TokenTree tree = build_tree(listed, order, share);
      int32_t longest = 0;
      for (const Sequence& s : sequences) longest = std::max(longest, int32_t(s.tokens.size()) - 1);
      for (const int32_t batch : {1, 5, 17, 64, 100000}) {
        for (const int32_t stack : {longest, longest + 9, longest * 3, 1000000}) {
          check_schedule(tree, stack, batch,
                         "round " + std::to_string(round) + " stack " + std::to_string(stack) + " batch " +
                             std::to_string(batch) + ": ");
          nested += schedule(tree, stack, batch).nested;
          ++trees;
        }
      }
    }
  }
  expect(nested > trees / 10, "hardly any schedule was nested: the test shows nothing");
  std::printf("schedule: %d schedules, %d nested: %s\n", trees, nested, failures ? "FAILED" : "ok");
  return failures ? 1 : 0;
}
