// Argument: one value in the arguments from JavaScript, with its name ("batch[3].actionStart"). Reading it as a type
// copies it, or throws an error with the name, the value and what it must be.
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
  // code: of errors, "INPUT" or "CONFIG". op: the call's name in messages; it must outlive the argument.
  Argument(Napi::Value value, std::string field, const char* op, const char* code = "INPUT")
      : value_(value), field_(std::move(field)), op_(op), code_(code) {}

  Argument operator[](const char* key) const;  // throws unless this is an object
  std::vector<Argument> elements() const;      // throws unless this is an array
  bool is_number() const { return value_.IsNumber(); }
  bool absent() const { return value_.IsUndefined() || value_.IsNull(); }

  // A finite number in [least, most].
  double number(double least, double most = std::numeric_limits<double>::max()) const;
  int64_t integer(int64_t least, int64_t most = std::numeric_limits<int32_t>::max()) const;
  bool boolean() const;
  std::string text() const;  // at most 65,536 characters
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
  std::string shown() const;  // the value, abbreviated, for messages

  Napi::Value value_;
  std::string field_;
  const char* op_;
  const char* code_;
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ARGUMENT_H_
