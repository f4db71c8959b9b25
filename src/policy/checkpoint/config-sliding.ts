/** Which layers attend to a sliding window of keys only: from `layer_types`, or from each family's older fields. */
import { checkpointError, shown } from "./checkpoint-error.js";
import type { FamilyRules } from "./config-families.js";
import type { Config } from "./config-schema.js";

export function slidingLayersOf(config: Config, rules: FamilyRules, file: string): boolean[] {
  const layers = config.num_hidden_layers;
  // Qwen keeps a window in its config that `use_sliding_window: false` switches off.
  const window = config.use_sliding_window === false ? null : (config.sliding_window ?? null);
  const readsLayerTypes = rules.sliding !== "never" && rules.sliding !== "all";
  const given = readsLayerTypes ? config.layer_types : undefined;
  if (given && given.length !== layers) {
    throw checkpointError(
      file,
      `layer_types has ${given.length} entries`,
      `it needs one per layer: num_hidden_layers is ${layers}`,
      { field: "layer_types", value: given.length },
    );
  }
  const slides = (layer: number): boolean => {
    if (given) return given[layer] === "sliding_attention";
    switch (rules.sliding) {
      case "never":
        return false;
      case "all":
        return window !== null;
      case "after-max-window-layers":
        return window !== null && layer >= (config.max_window_layers ?? 0);
      case "alternating":
        return (layer + 1) % 2 !== 0;
      case "pattern":
        return (layer + 1) % (config.sliding_window_pattern ?? 6) !== 0;
    }
  };
  const result = Array.from({ length: layers }, (_, layer) => slides(layer));
  if (window === null && result.some(Boolean)) {
    throw checkpointError(
      file,
      `layer ${result.indexOf(true)} has sliding attention, but sliding_window is ${shown(config.sliding_window)}${
        config.use_sliding_window === false ? " and use_sliding_window is false" : ""
      }`,
      "set sliding_window, or make every layer full_attention in layer_types",
      { field: "sliding_window", value: config.sliding_window },
    );
  }
  if (
    !readsLayerTypes &&
    config.layer_types?.some((type, layer) => (type === "sliding_attention") !== result[layer])
  ) {
    throw checkpointError(
      file,
      `layer_types is ${shown(config.layer_types)}, which ${rules.modelType} does not read`,
      "remove the field, or use a model type whose layers alternate",
      { field: "layer_types", value: config.layer_types },
    );
  }
  return result;
}
