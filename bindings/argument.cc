#include "bindings/argument.h"

#include <cmath>
#include <cstdio>

namespace swirl {
namespace {

std::string shown_number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", x);
  double back = 0;
  // The shortest of a few precisions that parses to the same number.
  for (int digits : {6, 9, 12, 15}) {
    char shorter[32];
    std::snprintf(shorter, sizeof shorter, "%.*g", digits, x);
    if (std::sscanf(shorter, "%lf", &back) == 1 && back == x) return shorter;
  }
  return text;
}

// Longer than any name or stop string; reading a string makes V8 copy it where it was put together from parts, and V8
// ends the process when there is no memory for that.
constexpr size_t kMostCharacters = 1 << 16;

size_t characters(const Napi::Value& value) {
  size_t length = 0;
  napi_get_value_string_utf16(value.Env(), value, nullptr, 0, &length);
  return length;
}

// Copies a typed array of exactly this element type; its buffer may be shared or offset.
template <typename Array, typename Element>
std::vector<Element> copied(const Napi::Value& value) {
  const auto array = value.As<Array>();
  return std::vector<Element>(array.Data(), array.Data() + array.ElementLength());
}

bool is_array_of(const Napi::Value& value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

}  // namespace

Argument Argument::operator[](const char* key) const {
  return Argument(object().Get(key), field_.empty() ? key : field_ + "." + key, op_, code_);
}

std::vector<Argument> Argument::elements() const {
  if (!value_.IsArray()) refuse("an array");
  const auto array = value_.As<Napi::Array>();
  std::vector<Argument> elements;
  elements.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    elements.emplace_back(array.Get(i), field_ + "[" + std::to_string(i) + "]", op_, code_);
  }
  return elements;
}

double Argument::number(double least, double most) const {
  const double number = value_.IsNumber() ? value_.As<Napi::Number>().DoubleValue() : std::nan("");
  if (std::isfinite(number) && number >= least && number <= most) return number;
  const double limit = std::numeric_limits<double>::max();
  if (least == -limit) refuse("a finite number");
  if (most == limit) refuse("a finite number of at least " + shown_number(least));
  refuse("a number from " + shown_number(least) + " to " + shown_number(most));
}

int64_t Argument::integer(int64_t least, int64_t most) const {
  const double number = value_.IsNumber() ? value_.As<Napi::Number>().DoubleValue() : std::nan("");
  if (number == std::floor(number) && number >= static_cast<double>(least) &&
      number <= static_cast<double>(most)) {
    return static_cast<int64_t>(number);
  }
  refuse("an integer from " + std::to_string(least) + " to " + std::to_string(most));
}

bool Argument::boolean() const {
  if (!value_.IsBoolean()) refuse("true or false");
  return value_.As<Napi::Boolean>().Value();
}

std::string Argument::text() const {
  if (!value_.IsString()) refuse("a string");
  if (characters(value_) > kMostCharacters)
    refuse("a string of at most " + std::to_string(kMostCharacters) + " characters");
  return value_.As<Napi::String>().Utf8Value();
}

uint64_t Argument::bigint() const {
  if (!value_.IsBigInt()) refuse("a bigint");
  bool lossless = false;
  return value_.As<Napi::BigInt>().Uint64Value(&lossless);  // its low 64 bits
}

Napi::Object Argument::object() const {
  if (!value_.IsObject()) refuse("an object");
  return value_.As<Napi::Object>();
}

Napi::Function Argument::function() const {
  if (!value_.IsFunction()) refuse("a function");
  return value_.As<Napi::Function>();
}

std::vector<int32_t> Argument::int32s() const {
  if (!is_array_of(value_, napi_int32_array)) refuse("an Int32Array");
  return copied<Napi::Int32Array, int32_t>(value_);
}

std::vector<float> Argument::floats() const {
  if (!is_array_of(value_, napi_float32_array)) refuse("a Float32Array");
  return copied<Napi::Float32Array, float>(value_);
}

std::vector<double> Argument::doubles() const {
  if (!is_array_of(value_, napi_float64_array)) refuse("a Float64Array");
  return copied<Napi::Float64Array, double>(value_);
}

std::vector<uint8_t> Argument::bytes() const {
  if (!is_array_of(value_, napi_uint8_array)) refuse("a Uint8Array");
  return copied<Napi::Uint8Array, uint8_t>(value_);
}

bool Argument::is(const char* text) const {
  return value_.IsString() && characters(value_) <= kMostCharacters &&
         value_.As<Napi::String>().Utf8Value() == text;
}

void Argument::refuse(const std::string& expected, const std::string& remedy) const {
  throw argument_error(code_, op_, field_, shown(), expected, remedy);
}

std::string Argument::shown() const {
  if (value_.IsUndefined()) return "missing";
  if (value_.IsNull()) return "null";
  if (value_.IsNumber()) {
    const double number = value_.As<Napi::Number>().DoubleValue();
    return std::isnan(number) ? "NaN" : shown_number(number);
  }
  if (value_.IsBoolean()) return value_.As<Napi::Boolean>().Value() ? "true" : "false";
  if (value_.IsString()) {
    if (characters(value_) > kMostCharacters)
      return "a string of " + std::to_string(characters(value_)) + " characters";
    std::string text = value_.As<Napi::String>().Utf8Value();
    if (text.size() > 60) text = text.substr(0, 57) + "…";
    return '"' + text + '"';
  }
  if (value_.IsTypedArray()) {
    return "a typed array of " + std::to_string(value_.As<Napi::TypedArray>().ElementLength()) + " elements";
  }
  if (value_.IsArray())
    return "an array of " + std::to_string(value_.As<Napi::Array>().Length()) + " elements";
  if (value_.IsFunction()) return "a function";
  if (value_.IsBigInt()) return "a bigint";
  return "an object";
}

}  // namespace swirl
