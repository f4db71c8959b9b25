#include "tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "error.h"
#include "validate.h"

namespace swirl {
namespace {

// Of a tensor on its way in or out: enough for a copy at full speed, little compared with the smallest model.
constexpr int64_t kStagedElements = 1 << 20;

int64_t product(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

const char* kind_text(TensorKind kind) {
  switch (kind) {
    case TensorKind::kWeight:
      return "weight";
    case TensorKind::kGradient:
      return "gradient";
    case TensorKind::kAdamM:
      return "first moment";
    case TensorKind::kAdamV:
      break;
  }
  return "second moment";
}

float value_at(const uint8_t* bytes, int64_t i, swirl_dtype type) {
  uint32_t word = 0;
  uint16_t half = 0;
  if (type == SWIRL_FLOAT32) {
    std::memcpy(&word, bytes + i * sizeof word, sizeof word);
  } else {
    std::memcpy(&half, bytes + i * sizeof half, sizeof half);
    word = uint32_t(half) << 16;
  }
  float value = 0;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

}  // namespace

Tensors::Tensors(Device& device, swirl_dtype dtype, bool trainable, Owner owner)
    : device_(device),
      dtype_(dtype),
      trainable_(trainable),
      owner_(std::move(owner)),
      master_(device, "weights"),
      compute_(device, "bfloat16 weights"),
      gradient_(device, "gradients"),
      m_(device, "Adam's first moments"),
      v_(device, "Adam's second moments") {}

void Tensors::allocate(bool matrix_masters) {
  master_begin_ = dtype_ == SWIRL_FLOAT32 || matrix_masters ? 0 : matrices_;
  master_.resize((total_ - master_begin_) * sizeof(float));
  master_.zero();
  if (dtype_ == SWIRL_BFLOAT16) {
    compute_.resize(matrices_ * 2);
    compute_.zero();
  }
}

uint64_t Tensors::bytes() const {
  return master_.bytes() + compute_.bytes() + gradient_.bytes() + m_.bytes() + v_.bytes();
}

uint64_t Tensors::weight_bytes() const {
  return uint64_t(total_ - master_begin_) * sizeof(float) + (dtype_ == SWIRL_BFLOAT16 ? matrices_ * 2 : 0);
}

uint64_t Tensors::training_bytes() const { return trainable_ ? 3 * sizeof(float) * uint64_t(total_) : 0; }

uint64_t Tensors::missing_bytes(TensorKind kind) const {
  if (kind == TensorKind::kWeight || !trainable_) return 0;
  if (kind == TensorKind::kGradient) return gradient_ ? 0 : total_ * sizeof(float);
  return 2 * sizeof(float) * uint64_t(total_) - m_.bytes() - v_.bytes();
}

uint64_t Tensors::staging_bytes(const std::string& name) const {
  return std::min(place(name).count, kStagedElements) * sizeof(float);
}

int64_t Tensors::add(const std::string& name, std::vector<int64_t> shape) {
  const int64_t count = product(shape);
  const int64_t offset = total_;
  places_[name] = {offset, count};
  infos_.push_back({name, std::move(shape)});
  total_ += count;
  return offset;
}

const Tensors::Place& Tensors::place(const std::string& name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) {
    throw Error("CHECKPOINT", "tensor", owner_.name + " has no tensor named \"" + name + "\"", owner_.check);
  }
  return found->second;
}

Tensors::Place Tensors::part(const std::string& name, int64_t first, int64_t count) const {
  const Place& whole = place(name);
  const bool all = first == kWhole;
  if (all && (count == whole.count || count == kWhole)) return whole;
  if (!all && first >= 0 && count >= 0 && first <= whole.count && count <= whole.count - first)
    return {whole.offset + first, count};
  throw Error("CHECKPOINT", "tensor",
              "tensor \"" + name + "\" has " + std::to_string(whole.count) + " elements, not " +
                  std::to_string(count) + (all ? "" : " from element " + std::to_string(first) + " on"),
              owner_.check);
}

const void* Tensors::matrix(int64_t offset) const {
  if (dtype_ == SWIRL_BFLOAT16) return compute_.as<uint16_t>() + offset;
  return master_.as<float>() + (offset - master_begin_);
}

const float* Tensors::vector(int64_t offset) const { return master_.as<float>() + (offset - master_begin_); }

template <class Visit>
void Tensors::each_part(const Place& at, swirl_dtype type, Buffer& staging, const Visit& visit) const {
  staging.resize(std::min(at.count, kStagedElements) * size_of(type));
  for (int64_t done = 0; done < at.count; done += kStagedElements) {
    visit(at.offset + done, std::min(kStagedElements, at.count - done));
  }
}

Buffer& Tensors::buffer(TensorKind kind) {
  if (kind == TensorKind::kWeight) return master_;
  require_trainable("tensor");
  if (kind == TensorKind::kGradient) {
    if (!gradient_) clear_gradient();
    return gradient_;
  }
  begin_moments();
  return kind == TensorKind::kAdamM ? m_ : v_;
}

void Tensors::check_values(const std::string& name, TensorKind kind, swirl_dtype type, int64_t first,
                           const uint8_t* bytes, size_t count_bytes) const {
  if (count_bytes % size_of(type) != 0) {
    throw Error("CHECKPOINT", "tensor",
                "tensor \"" + name + "\": " + std::to_string(count_bytes) + " bytes are no whole elements",
                "pass whole elements");
  }
  const auto elements = static_cast<int64_t>(count_bytes / size_of(type));
  part(name, first, elements);
  const int64_t begin = std::max<int64_t>(first, 0);
  const auto refuse = [&](int64_t index, const char* what) {
    Error error("NUMERICS", "tensor",
                "tensor \"" + name + "\": element " + std::to_string(begin + index) + " of the " +
                    kind_text(kind) + what,
                "take an earlier checkpoint, or find out which step or tool made it");
    error.tensor = name;
    error.field = "data[" + std::to_string(index) + "]";
    error.value = std::to_string(value_at(bytes, index, type));
    throw error;
  };
  const int64_t index = first_not_finite(bytes, count_bytes, type);
  if (index >= 0) refuse(index, " is not finite, or too large for bfloat16");
  if (kind != TensorKind::kAdamV) return;
  for (int64_t i = 0; i < elements; ++i) {
    if (value_at(bytes, i, type) < 0) refuse(i, " is below 0");
  }
}

void Tensors::write(const std::string& name, TensorKind kind, swirl_dtype type, int64_t first,
                    const uint8_t* bytes, size_t count_bytes) {
  const Place at = part(name, first, static_cast<int64_t>(count_bytes / size_of(type)));
  Buffer& target = buffer(kind);
  const int64_t begin = kind == TensorKind::kWeight ? master_begin_ : 0;
  Buffer staging(device_, "a tensor being written");
  each_part(at, type, staging, [&](int64_t from, int64_t count) {
    device_.upload(staging.as<void>(), bytes + (from - at.offset) * size_of(type), count * size_of(type));
    const auto convert = [&](void* to, swirl_dtype to_type) {
      device_.check(device_.kernels().convert(device_.handle(), to, to_type, staging.as<void>(), type, count),
                    "convert", name);
    };
    if (from >= begin) convert(target.as<float>() + (from - begin), SWIRL_FLOAT32);
    if (kind == TensorKind::kWeight && compute_ && from < matrices_) {
      convert(compute_.as<uint16_t>() + from, SWIRL_BFLOAT16);
    }
  });
}

std::vector<uint8_t> Tensors::read(const std::string& name, TensorKind kind, swirl_dtype type, int64_t first,
                                   int64_t count) {
  const Place at = part(name, first, count);
  Buffer& source = buffer(kind);
  const int64_t begin = kind == TensorKind::kWeight ? master_begin_ : 0;
  const bool master = at.offset >= begin;
  Buffer staging(device_, "a tensor being read");
  std::vector<uint8_t> out(at.count * size_of(type));
  each_part(at, type, staging, [&](int64_t begun, int64_t length) {
    const void* from = master ? static_cast<const void*>(source.as<float>() + (begun - begin))
                              : static_cast<const void*>(compute_.as<uint16_t>() + begun);
    device_.check(device_.kernels().convert(device_.handle(), staging.as<void>(), type, from,
                                            master ? SWIRL_FLOAT32 : SWIRL_BFLOAT16, length),
                  "convert", name);
    device_.download(out.data() + (begun - at.offset) * size_of(type), staging.as<void>(),
                     length * size_of(type));
  });
  return out;
}

void Tensors::clear_gradient() {
  require_trainable("gradients");
  gradient_.reserve(total_ * sizeof(float));
  gradient_.zero();
}

void Tensors::begin_gradient(const char* op) {
  if (gradient_state == GradientState::kTorn) {
    throw Error("INPUT", op,
                std::string(op) + ": an earlier call failed halfway, so the gradients are incomplete",
                "call zeroGradients and repeat every forwardBackward since the last step");
  }
  if (gradient_state != GradientState::kReady) {
    clear_gradient();
    loss_finite = true;
  }
}

void Tensors::drop_gradient() {
  gradient_state = GradientState::kNone;
  loss_finite = true;
  gradient_.zero();
}

void Tensors::require_trainable(const char* op) const {
  if (!trainable_) throw Error("INPUT", op, std::string(op) + ": " + owner_.untrainable, owner_.remedy);
}

void Tensors::begin_moments() {
  for (Buffer* moment : {&m_, &v_}) {
    if (*moment) continue;
    moment->resize(total_ * sizeof(float));
    moment->zero();
  }
}

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

std::string Tensors::adamw_step(const OptimizerOptions& o, double gradient_scale) {
  begin_moments();
  const auto t = double(step + 1);
  const auto constants = [&](const Range& range) -> swirl_adamw {
    const ParameterGroup group = o.group(range.group);
    return {group.lr,
            o.beta1,
            o.beta2,
            o.eps,
            group.weight_decay,
            1 - std::pow(o.beta1, t),
            1 - std::pow(o.beta2, t),
            gradient_scale};
  };
  const std::vector<Range> all = ranges(o);
  for (const Range& range : all) {
    if (o.group(range.group).frozen) continue;
    const swirl_adamw a = constants(range);
    int64_t first = -1;
    device_.check(
        device_.kernels().adamw_check(device_.handle(), range.count, &a, master_.as<float>() + range.begin,
                                      gradient_.as<float>() + range.begin, m_.as<float>() + range.begin,
                                      v_.as<float>() + range.begin, &first),
        "adamw_check");
    if (first < 0) continue;
    const std::string& name = name_at(range.begin + first);
    return "the step would leave " + name + "[" + std::to_string(range.begin + first - place(name).offset) +
           "] or its moments not finite";
  }
  const auto apply = [&](const Range& range, int64_t begin, int64_t end, void* compute) {
    begin = std::max(begin, range.begin);
    end = std::min(end, range.begin + range.count);
    if (begin >= end) return;
    const swirl_adamw a = constants(range);
    device_.check(device_.kernels().adamw(device_.handle(), end - begin, &a, master_.as<float>() + begin,
                                          gradient_.as<float>() + begin, m_.as<float>() + begin,
                                          v_.as<float>() + begin, compute, dtype_),
                  "adamw");
  };
  for (const Range& range : all) {
    if (o.group(range.group).frozen) continue;
    apply(range, 0, matrices_, compute_ ? compute_.as<uint16_t>() + range.begin : nullptr);
    apply(range, matrices_, total_, nullptr);
  }
  ++step;
  return "";
}

}  // namespace swirl
