// Argument: one place in what JavaScript passed, known by name ("batch[3].actionStart"), read as a type or
// refused with that name, the value that was there and what it must be. Reading copies.
#ifndef SWIRL_BINDINGS_ARGUMENT_H_
#define SWIRL_BINDINGS_ARGUMENT_H_

#include <napi.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "native/engine/error.h"

namespace swirl {

class Argument {
 public:
  // code: of the errors, "INPUT" or "CONFIG". op names the call in messages and outlives the argument.
  Argument(Napi::Value value, std::string field, const char* op, const char* code = "INPUT")
      : value_(value), field_(std::move(field)), op_(op), code_(code) {}

  Argument operator[](const char* key) const;  // refused unless this is an object
  std::vector<Argument> elements() const;      // refused unless this is an array
  bool is_number() const { return value_.IsNumber(); }
  bool absent() const { return value_.IsUndefined() || value_.IsNull(); }

  // Finite, in [least, most].
  double number(double least, double most = std::numeric_limits<double>::max()) const;
  int64_t integer(int64_t least, int64_t most = std::numeric_limits<int32_t>::max()) const;
  bool boolean() const;
  std::string text() const;  // of at most 65,536 characters
  uint64_t bigint() const;
  Napi::Object object() const;
  Napi::Function function() const;
  std::vector<int32_t> int32s() const;  // Int32Array
  std::vector<float> floats() const;    // Float32Array
  std::vector<double> doubles() const;  // Float64Array
  std::vector<uint8_t> bytes() const;   // Uint8Array

  template <typename T>
  T choice(std::initializer_list<std::pair<const char*, T>> choices) const {
    std::string names;
    for (const auto& [name, value] : choices) {
      if (is(name)) return value;
      names += std::string(names.empty() ? "" : " or ") + '"' + name + '"';
    }
    refuse(names);
  }

  [[noreturn]] void refuse(const std::string& expected, const std::string& remedy = "") const;

  const std::string& field() const { return field_; }

 private:
  bool is(const char* text) const;
  std::string shown() const;  // the value, short

  Napi::Value value_;
  std::string field_;
  const char* op_;
  const char* code_;
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ARGUMENT_H_
