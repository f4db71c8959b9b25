// Checks of an adapter's modules against the model.
#include <cmath>
#include <limits>
#include <unordered_map>

#include "adapter_modules.h"
#include "error.h"
#include "validate.h"

namespace swirl {
namespace {

constexpr auto kOp = "addAdapter";

[[noreturn]] void refuse(const std::string& field, const std::string& value, const std::string& expected,
                         const std::string& remedy) {
  throw argument_error("INPUT", kOp, field, value, expected, remedy);
}

[[noreturn]] void refuse_name(const std::vector<Projection>& all, const std::string& field,
                              const std::string& name) {
  if (name == "lm_head" || name == "model.embed_tokens") {
    refuse(field, '"' + name + '"', "a projection of a layer: embeddings and lm_head take no adapter",
           "leave it out of the target modules");
  }
  std::string nearest;
  for (const std::string& one : nearest_projections(all, name, 3)) {
    nearest += (nearest.empty() ? "\"" : ", \"") + one + '"';
  }
  refuse(field, '"' + name + '"', "a projection of this model; the nearest are " + nearest,
         "check that the adapter belongs to this base");
}

}  // namespace

void validate(const ModelConfig& config, const AdapterOptions& options) {
  if (options.modules.empty()) {
    refuse("options.modules", "an array of 0 elements", "at least one module", "");
  }
  const std::vector<Projection> all = projections(config);
  std::unordered_map<std::string, const Projection*> known;
  for (const Projection& p : all) known.emplace(p.name, &p);
  std::unordered_map<std::string, size_t> seen;
  for (size_t i = 0; i < options.modules.size(); ++i) {
    const AdapterModule& module = options.modules[i];
    const std::string field = "options.modules[" + std::to_string(i) + "]";
    const auto found = known.find(module.name);
    if (found == known.end()) refuse_name(all, field + ".name", module.name);
    const auto [first, fresh] = seen.emplace(module.name, i);
    if (!fresh) {
      refuse(field + ".name", '"' + module.name + '"',
             "a module that is not named before, as in modules[" + std::to_string(first->second) + "]", "");
    }
    const int32_t most = std::min(found->second->in, found->second->out);
    if (module.rank < 1 || module.rank > most) {
      refuse(field + ".rank", std::to_string(module.rank),
             "from 1 to " + std::to_string(most) + ", the smaller side of " + module.name + " [" +
                 std::to_string(found->second->out) + ", " + std::to_string(found->second->in) + "]",
             "usual ranks are 1 to 64");
    }
    const double size = std::abs(module.scale);
    if (!(size >= std::numeric_limits<float>::min() && size <= std::numeric_limits<float>::max())) {
      refuse(field + ".scale", std::to_string(module.scale), "a number that float32 can hold, other than 0",
             "alpha / rank, or alpha / sqrt(rank) for rsLoRA, is usual");
    }
  }
}

}  // namespace swirl
