// The optimizer's step: gradient norms by parameter group, and AdamW.
#include <algorithm>
#include <cmath>

#include "tensors.h"

namespace swirl {

double Tensors::sum_of_squares(int64_t begin, int64_t count) const {
  double sum = 0;
  device_.check(
      device_.kernels().sum_of_squares(device_.handle(), count, gradient_.as<float>() + begin, &sum),
      "sum_of_squares");
  return sum;
}

std::vector<Tensors::Range> Tensors::ranges(const OptimizerOptions& o) const {
  if (o.group_of.empty()) return {{0, total_, 0}};
  std::vector<Range> ranges;
  for (size_t i = 0; i < infos_.size(); ++i) {
    const Place& at = places_.at(infos_[i].name);
    const auto group = static_cast<size_t>(o.group_of[i]);
    if (ranges.empty() || ranges.back().group != group) ranges.push_back({at.offset, 0, group});
    ranges.back().count += at.count;
  }
  return ranges;
}

std::vector<double> Tensors::gradient_squares(const OptimizerOptions& o) const {
  std::vector<double> squares(1 + o.groups.size(), 0);
  for (const Range& range : ranges(o)) {
    if (!o.group(range.group).frozen) squares[range.group] += sum_of_squares(range.begin, range.count);
  }
  return squares;
}

const std::string& Tensors::name_at(int64_t index) const {
  size_t i = 0;
  while (i + 1 < infos_.size() && places_.at(infos_[i + 1].name).offset <= index) ++i;
  return infos_[i].name;
}

std::string Tensors::first_infinite_gradient() const {
  for (const ParameterInfo& info : infos_) {
    const Place& at = places_.at(info.name);
    if (!std::isfinite(sum_of_squares(at.offset, at.count))) return info.name;
  }
  return "no single parameter, but the sum of all";
}

std::vector<Tensors::Piece> Tensors::pieces(const OptimizerOptions& o) const {
  std::vector<Piece> pieces;
  const auto add = [&](int64_t begin, int64_t end, size_t group, int64_t parameter) {
    if (begin < end && !o.group(group).frozen) pieces.push_back({{begin, end - begin, group}, parameter});
  };
  for (size_t i = 0; compact_state_ && i < infos_.size(); ++i) {
    const Place& at = places_.at(infos_[i].name);
    const size_t group = o.group_of.empty() ? 0 : static_cast<size_t>(o.group_of[i]);
    if (has_compact_moments(at)) add(at.offset, at.offset + at.count, group, static_cast<int64_t>(i));
  }
  for (const Range& range : ranges(o)) {
    const int64_t end = range.begin + range.count;
    if (!compact_state_) add(range.begin, std::min(end, matrices_), range.group, -1);
    add(std::max(range.begin, matrices_), end, range.group, -1);
  }
  return pieces;
}

int64_t Tensors::check_step(const Piece& p, const swirl_adamw& a) const {
  int64_t first = -1;
  if (p.parameter >= 0) {
    const swirl_compact_moments moments = compact_.at(places_.at(infos_[p.parameter].name).moments);
    device_.check(device_.kernels().adamw_compact_check(device_.handle(), p.count, &a, matrix(p.begin),
                                                        gradient(p.begin), &moments, &first),
                  "adamw_compact_check");
  } else {
    device_.check(
        device_.kernels().adamw_check(device_.handle(), p.count, &a, vector(p.begin), gradient(p.begin),
                                      moment(m_, p.begin), moment(v_, p.begin), &first),
        "adamw_check");
  }
  return first;
}

void Tensors::take_step(const Piece& p, const swirl_adamw& a, uint64_t seed) {
  uint16_t* compute = compute_ && p.begin < matrices_ ? compute_.as<uint16_t>() + p.begin : nullptr;
  if (p.parameter >= 0) {
    const swirl_compact_moments moments = compact_.at(places_.at(infos_[p.parameter].name).moments);
    const swirl_rounding rounding = {seed, static_cast<uint64_t>(step), static_cast<uint64_t>(p.parameter)};
    device_.check(device_.kernels().adamw_compact(device_.handle(), p.count, &a, &rounding, compute,
                                                  gradient(p.begin), &moments),
                  "adamw_compact");
    return;
  }
  device_.check(
      device_.kernels().adamw(device_.handle(), p.count, &a, master_.as<float>() + (p.begin - master_begin_),
                              gradient(p.begin), moment(m_, p.begin), moment(v_, p.begin), compute, dtype_),
      "adamw");
}

std::string Tensors::adamw_step(const OptimizerOptions& o, double gradient_scale) {
  begin_moments();
  const auto t = double(step + 1);
  const auto constants = [&](const Piece& piece) -> swirl_adamw {
    const ParameterGroup group = o.group(piece.group);
    return {group.lr,
            o.beta1,
            o.beta2,
            o.eps,
            group.weight_decay,
            1 - std::pow(o.beta1, t),
            1 - std::pow(o.beta2, t),
            gradient_scale};
  };
  const std::vector<Piece> all = pieces(o);
  for (const Piece& piece : all) {
    const int64_t first = check_step(piece, constants(piece));
    if (first < 0) continue;
    const std::string& name = name_at(piece.begin + first);
    return "the step would leave " + name + "[" + std::to_string(piece.begin + first - place(name).offset) +
           "] or its moments not finite";
  }
  for (const Piece& piece : all) take_step(piece, constants(piece), o.seed);
  ++step;
  return "";
}

}  // namespace swirl
