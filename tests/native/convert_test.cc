// Conversion: every bfloat16 there and back, rounding to nearest even on every kind of float32; memory and
// its end.
#include "check.h"

namespace {

using check::Device;
using check::Mirror;

template <class T>
Mirror mirror(const std::vector<T>& values) {
  const char* bytes = reinterpret_cast<const char*>(values.data());
  return Mirror(std::vector<char>(bytes, bytes + values.size() * sizeof(T)));
}
template <class T>
std::vector<T> values(const Mirror& mirror) {
  std::vector<T> out(mirror.read().size() / sizeof(T));
  std::memcpy(out.data(), mirror.read().data(), mirror.read().size());
  return out;
}

uint32_t bits_of(float x) {
  uint32_t out;
  std::memcpy(&out, &x, 4);
  return out;
}

// Nearest even by distance, without the bit trick under test. x is a number.
uint16_t nearest_even(float x) {
  const uint32_t low = bits_of(x) & 0xffff0000u, part = bits_of(x) & 0xffffu;
  const bool up = part > 0x8000u || (part == 0x8000u && (low >> 16 & 1) != 0);
  return uint16_t((low >> 16) + (up ? 1 : 0));
}

void run(Device& device) {
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = uint16_t(i);
  const Mirror narrow = mirror(all);
  Mirror wide_there(all.size() * 4), back_there(all.size() * 2);
  device.ok(device.k->convert(device.d, wide_there.device_written(), SWIRL_FLOAT32, narrow.device(),
                              SWIRL_BFLOAT16, all.size()),
            "convert");
  device.ok(device.k->convert(device.d, back_there.device_written(), SWIRL_BFLOAT16, wide_there.device(),
                              SWIRL_FLOAT32, all.size()),
            "convert");
  const auto wide = values<float>(wide_there);
  const auto back = values<uint16_t>(back_there);
  for (size_t i = 0; i < all.size(); ++i) {
    check::expect(bits_of(wide[i]) == uint32_t(i) << 16, "convert: widening " + std::to_string(i));
    const bool nan = (i & 0x7fff) > 0x7f80;
    check::expect(nan ? (back[i] & 0x7fff) > 0x7f80 : back[i] == all[i],
                  "convert: there and back " + std::to_string(i));
  }
  std::vector<float> some;
  for (uint32_t high = 0; high < 65536; high += 7)
    for (const uint32_t low : {0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const uint32_t word = high << 16 | low;
      float x;
      std::memcpy(&x, &word, 4);
      some.push_back(x);
    }
  const Mirror given = mirror(some);
  Mirror rounded_there(some.size() * 2);
  device.ok(device.k->convert(device.d, rounded_there.device_written(), SWIRL_BFLOAT16, given.device(),
                              SWIRL_FLOAT32, some.size()),
            "convert");
  const auto rounded = values<uint16_t>(rounded_there);
  for (size_t i = 0; i < some.size(); ++i)
    check::expect(std::isnan(some[i]) ? (rounded[i] & 0x7fff) > 0x7f80 : rounded[i] == nearest_even(some[i]),
                  "convert: rounding of " + std::to_string(some[i]));
  // Short pieces, at addresses that no vector load could take.
  for (const size_t first : {size_t(0), size_t(1), size_t(8)})
    for (const size_t count : {size_t(0), size_t(1), size_t(7), size_t(8), size_t(17)}) {
      Mirror piece = mirror(std::vector<uint16_t>(32, 0x1234));
      device.ok(device.k->convert(device.d, piece.device_written() + 2 * first, SWIRL_BFLOAT16,
                                  given.device() + 4 * first, SWIRL_FLOAT32, count),
                "convert");
      const auto out = values<uint16_t>(piece);
      for (size_t i = 0; i < out.size(); ++i)
        check::expect(out[i] == (i >= first && i < first + count ? rounded[i] : 0x1234),
                      "convert: " + std::to_string(count) + " elements from " + std::to_string(first));
    }

  void* memory = nullptr;
  check::expect(
      device.k->allocate(device.d, size_t(1) << 62, &memory) == SWIRL_OUT_OF_MEMORY && memory == nullptr,
      "allocate: an impossible size must be refused");
  device.ok(device.k->allocate(device.d, 1000, &memory), "allocate");
  check::expect(reinterpret_cast<uintptr_t>(memory) % 64 == 0, "allocate: 64-byte alignment");
  device.ok(device.k->upload(device.d, memory, some.data(), 1000), "upload");
  std::vector<char> out(1000);
  device.ok(device.k->download(device.d, out.data(), memory, 1000), "download");
  check::expect(std::memcmp(out.data(), some.data(), 1000) == 0, "upload and download");
  device.ok(device.k->zero(device.d, memory, 1000), "zero");
  device.ok(device.k->download(device.d, out.data(), memory, 1000), "download");
  check::expect(std::all_of(out.begin(), out.end(), [](char c) { return c == 0; }), "zero");
  device.k->release(device.d, memory);
  swirl_device* none = nullptr;
  check::expect(
      device.k->open(99, 0, &none) == SWIRL_INVALID && std::strlen(device.k->last_error(nullptr)) > 0,
      "open: device 99 must be refused with a text");
  swirl_device_info info;
  device.ok(device.k->describe(device.d, &info), "describe");
  check::expect(info.memory_bytes > 0 && info.cores > 0 && std::strlen(info.matrix_library) > 0, "describe");
}

}  // namespace

int main() { return check::test_main("convert", run); }
