#include "tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "../kernels/compact_state.h"
#include "error.h"
#include "validate.h"

namespace swirl {
namespace {

// Staging bytes for reads and writes: enough for a copy at full speed, little compared with the smallest model.
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
    case TensorKind::kAdamMCodes:
      return "first moment's codes";
    case TensorKind::kAdamMScales:
      return "first moment's scales";
    case TensorKind::kAdamVCodes:
      return "second moment's codes";
    case TensorKind::kAdamVScales:
      return "second moment's scales";
    case TensorKind::kAdamV:
      break;
  }
  return "second moment";
}

bool is_moment(TensorKind kind) { return kind == TensorKind::kAdamM || kind == TensorKind::kAdamV; }

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

[[noreturn]] void refuse_value(const std::string& name, TensorKind kind, int64_t begin, int64_t index,
                               const std::string& value, const char* what) {
  Error error("NUMERICS", "tensor",
              "tensor \"" + name + "\": element " + std::to_string(begin + index) + " of the " +
                  kind_text(kind) + what,
              "take an earlier checkpoint, or find out which step or tool made it");
  error.tensor = name;
  error.field = "data[" + std::to_string(index) + "]";
  error.value = value;
  throw error;
}

}  // namespace

Tensors::Tensors(Device& device, swirl_dtype dtype, bool trainable, Owner owner, bool compact)
    : device_(device),
      dtype_(dtype),
      trainable_(trainable),
      compact_state_(trainable && compact),
      owner_(std::move(owner)),
      master_(device, "weights"),
      compute_(device, "bfloat16 weights"),
      gradient_(device, "gradients"),
      m_(device, "Adam's first moments"),
      v_(device, "Adam's second moments"),
      compact_(device) {}

void Tensors::allocate(bool matrix_masters) {
  master_begin_ = dtype_ == SWIRL_FLOAT32 || (matrix_masters && !compact_state_) ? 0 : matrices_;
  master_.resize((total_ - master_begin_) * sizeof(float));
  master_.zero();
  if (dtype_ == SWIRL_BFLOAT16) {
    compute_.resize(matrices_ * 2);
    compute_.zero();
  }
}

uint64_t Tensors::bytes() const {
  return master_.bytes() + compute_.bytes() + gradient_.bytes() + m_.bytes() + v_.bytes() + compact_.bytes();
}

uint64_t Tensors::weight_bytes() const {
  return uint64_t(total_ - master_begin_) * sizeof(float) + (dtype_ == SWIRL_BFLOAT16 ? matrices_ * 2 : 0);
}

uint64_t Tensors::moment_bytes() const {
  return 2 * sizeof(float) * uint64_t(total_ - moment_begin()) + compact_.needed_bytes();
}

uint64_t Tensors::training_bytes() const {
  return trainable_ ? sizeof(float) * uint64_t(total_) + moment_bytes() : 0;
}

uint64_t Tensors::missing_bytes(TensorKind kind) const {
  if (kind == TensorKind::kWeight || !trainable_) return 0;
  if (kind == TensorKind::kGradient) return gradient_ ? 0 : total_ * sizeof(float);
  return moment_bytes() - m_.bytes() - v_.bytes() - compact_.bytes();
}

uint64_t Tensors::staging_bytes(const std::string& name) const {
  return std::min(place(name).count, kStagedElements) * sizeof(float);
}

int64_t Tensors::add(const std::string& name, std::vector<int64_t> shape) {
  const int64_t count = product(shape);
  const int64_t offset = total_;
  const bool matrix = shape.size() > 1;
  places_[name] = {offset, count, compact_state_ && matrix ? compact_.add(count) : CompactMoments::Place()};
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
    return {whole.offset + first, count, whole.moments};
  throw Error("CHECKPOINT", "tensor",
              "tensor \"" + name + "\" has " + std::to_string(whole.count) + " elements, not " +
                  std::to_string(count) + (all ? "" : " from element " + std::to_string(first) + " on"),
              owner_.check);
}

const Tensors::Place& Tensors::stored_part(const std::string& name, TensorKind kind, int64_t& first,
                                           int64_t& count) const {
  require_trainable("tensor");
  const Place& at = place(name);
  if (!has_compact_moments(at)) {
    throw Error("INPUT", "tensor", "tensor \"" + name + "\" has float32 moments, not 8-bit ones",
                "read adam_m and adam_v, or open the policy with optimizerState: \"compact\"");
  }
  const int64_t whole = compact_.stored_count(kind, at.moments);
  if (first == kWhole && (count == whole || count == kWhole)) {
    first = 0;
    count = whole;
  }
  if (first >= 0 && count >= 0 && first <= whole && count <= whole - first) return at;
  throw Error("CHECKPOINT", "tensor",
              "tensor \"" + name + "\": its " + kind_text(kind) + " are " + std::to_string(whole) +
                  " bytes, not " + std::to_string(count) + " from byte " + std::to_string(first) + " on",
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
  if (CompactMoments::is_stored(kind)) {
    auto count = static_cast<int64_t>(count_bytes);
    stored_part(name, kind, first, count);
    const int64_t index = CompactMoments::first_invalid(kind, bytes, count_bytes);
    if (index >= 0) refuse_value(name, kind, first, index, std::to_string(bytes[index]), " is no number");
    return;
  }
  if (count_bytes % size_of(type) != 0) {
    throw Error("CHECKPOINT", "tensor",
                "tensor \"" + name + "\": " + std::to_string(count_bytes) + " bytes are no whole elements",
                "pass whole elements");
  }
  const auto elements = static_cast<int64_t>(count_bytes / size_of(type));
  part(name, first, elements);
  const int64_t begin = std::max<int64_t>(first, 0);
  const auto refuse = [&](int64_t index, const char* what) {
    refuse_value(name, kind, begin, index, std::to_string(value_at(bytes, index, type)), what);
  };
  const int64_t index = first_not_finite(bytes, count_bytes, type);
  if (index >= 0) refuse(index, " is not finite, or too large for bfloat16");
  if (is_moment(kind) && has_compact_moments(place(name))) {
    if (begin % kMomentBlock != 0 || (elements % kMomentBlock != 0 && begin + elements < place(name).count)) {
      throw Error("INPUT", "tensor", "tensor \"" + name + "\": part of a block of 8-bit moments",
                  "write moments in whole blocks of " + std::to_string(kMomentBlock) + " elements");
    }
    for (int64_t i = 0; i < elements; ++i) {
      if (std::fabs(value_at(bytes, i, type)) > kLargestMoment) refuse(i, " is too large for 8 bits");
    }
  }
  if (kind != TensorKind::kAdamV) return;
  for (int64_t i = 0; i < elements; ++i) {
    if (value_at(bytes, i, type) < 0) refuse(i, " is below 0");
  }
}

void Tensors::write(const std::string& name, TensorKind kind, swirl_dtype type, int64_t first,
                    const uint8_t* bytes, size_t count_bytes) {
  if (CompactMoments::is_stored(kind)) {
    auto count = static_cast<int64_t>(count_bytes);
    const Place& at = stored_part(name, kind, first, count);
    begin_moments();
    compact_.write_stored(kind, at.moments, first, bytes, count_bytes);
    return;
  }
  const Place at = part(name, first, static_cast<int64_t>(count_bytes / size_of(type)));
  Buffer& target = buffer(kind);
  if (is_moment(kind) && has_compact_moments(at)) {
    std::vector<float> values(at.count);
    for (int64_t i = 0; i < at.count; ++i) values[i] = value_at(bytes, i, type);
    compact_.write(kind, at.moments, at.offset - place(name).offset, values);
    return;
  }
  const int64_t begin = kind == TensorKind::kWeight ? master_begin_ : is_moment(kind) ? moment_begin() : 0;
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
  if (CompactMoments::is_stored(kind)) {
    const Place& at = stored_part(name, kind, first, count);
    begin_moments();
    return compact_.read_stored(kind, at.moments, first, count);
  }
  const Place at = part(name, first, count);
  Buffer& source = buffer(kind);
  if (is_moment(kind) && has_compact_moments(at)) {
    const std::vector<float> values =
        compact_.read(kind, at.moments, at.offset - place(name).offset, at.count);
    std::vector<uint8_t> out(at.count * size_of(type));
    for (int64_t i = 0; i < at.count; ++i) {  // four significant bits, which bfloat16 can represent
      const auto* word = reinterpret_cast<const uint8_t*>(&values[i]);
      std::memcpy(out.data() + i * size_of(type), word + sizeof(float) - size_of(type), size_of(type));
    }
    return out;
  }
  const int64_t begin = kind == TensorKind::kWeight ? master_begin_ : is_moment(kind) ? moment_begin() : 0;
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
    moment->resize((total_ - moment_begin()) * sizeof(float));
    moment->zero();
  }
  compact_.begin();
}

}  // namespace swirl
