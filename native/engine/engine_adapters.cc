// The adapters of an engine.
#include "engine_state.h"
#include "error.h"
#include "validate.h"

namespace swirl {
namespace {

constexpr size_t kLongestName = 256;

std::string quoted(const std::string& text) { return '"' + text + '"'; }

}  // namespace

Adapter* Engine::State::adapter(const std::string& name, const char* op) const {
  if (name.empty()) return nullptr;
  const auto found = adapters.find(name);
  if (found != adapters.end()) return found->second.get();
  std::string names;
  for (const auto& [known, one] : adapters) names += (names.empty() ? "" : ", ") + quoted(known);
  throw argument_error(
      "INPUT", op, "adapter", quoted(name),
      names.empty() ? "absent: this engine has no adapters" : "an adapter of this engine: " + names,
      "add it with addAdapter first, or leave it out for the base");
}

void Engine::State::weights_change(const Adapter* changed) {
  if (changed) {
    sampler.cache().drop(changed);
  } else {
    sampler.cache().drop();
    model.drop_packed();
  }
}

void Engine::add_adapter(const std::string& name, const AdapterOptions& options) {
  constexpr auto op = "addAdapter";
  State& s = *state_;
  if (name.empty() || name.size() > kLongestName) {
    throw argument_error("INPUT", op, "name", name.empty() ? "empty" : quoted(name.substr(0, 32) + "…"),
                         "a name of 1 to " + std::to_string(kLongestName) + " bytes", "");
  }
  if (s.adapters.count(name) != 0) {
    throw argument_error("INPUT", op, "name", quoted(name), "a name that no adapter of this engine has",
                         "remove that adapter first, or choose another name");
  }
  validate(s.options.config, options);
  s.make_room([&] { return Adapter::bytes_of(s.options.config, s.options.dtype, options); });
  auto adapter = std::make_unique<Adapter>(s.device, s.options.config, s.options.dtype, name, options);
  const std::lock_guard lock(s.adapters_mutex);
  s.adapters.emplace(name, std::move(adapter));
}

void Engine::remove_adapter(const std::string& name) {
  constexpr auto op = "removeAdapter";
  State& s = *state_;
  if (name.empty()) {
    throw argument_error("INPUT", op, "name", "empty", "the name of an adapter",
                         "the base cannot be removed");
  }
  s.weights_change(s.adapter(name, op));
  const std::lock_guard lock(s.adapters_mutex);
  s.adapters.erase(name);
}

}  // namespace swirl
