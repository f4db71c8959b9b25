/**
 * Saves an adapter as PEFT's folder: adapter_config.json and adapter_model.safetensors, complete or absent. While an
 * existing one is replaced, its config is missing until the last rename, so that a mixture of two is never loaded.
 */
import type { NativeEngine } from "../../native/addon.js";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { engineParts } from "../checkpoint/tensor-parts.js";
import { writeCheckpointFolder } from "../checkpoint/write-checkpoint.js";
import { ADAPTER_CONFIG } from "./adapter-config.js";
import { ADAPTER_WEIGHTS, BASE_HASH } from "./adapter-folder.js";
import type { AdapterModule } from "./adapter-modules.js";

export interface AdapterToSave {
  modules: readonly AdapterModule[];
  rsLora: boolean;
  base: Checkpoint;
  /** SHA-256 of the base's weights as loaded. */
  baseHash: string;
}

/** `engine`: the one that the adapter's tensors are read from. */
export async function saveAdapter(
  { modules, rsLora, base, baseHash }: AdapterToSave,
  target: string,
  engine: Pick<NativeEngine, "readTensor">,
  dtype: "float32" | "bfloat16",
): Promise<void> {
  const prefix = spelling(base);
  const spelled = (name: string) => prefix + name.slice("model.".length);
  const kind = "weight";
  const tensors = modules.flatMap(({ name, rank, in: in_, out }) =>
    (
      [
        ["lora_A", [rank, in_]],
        ["lora_B", [out, rank]],
      ] as const
    ).map(([matrix, shape]) => ({
      name: `base_model.model.${spelled(name)}.${matrix}.weight`,
      dtype: dtype === "float32" ? ("F32" as const) : ("BF16" as const),
      shape,
      parts: () => engineParts(engine, { name: `${name}.${matrix}.weight`, kind, shape, dtype }),
    })),
  );
  const { rank, alpha } = modules[0]!;
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base.folder,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: "none",
    use_rslora: rsLora,
    use_dora: false,
    fan_in_fan_out: false,
    init_lora_weights: true,
    modules_to_save: null,
    target_modules: modules.map(({ name }) => spelled(name)),
    rank_pattern: others("rank", rank),
    alpha_pattern: others("alpha", alpha),
  };
  await writeCheckpointFolder(target, {
    files: [{ name: ADAPTER_WEIGHTS, metadata: { format: "pt", [BASE_HASH]: baseHash }, tensors }],
    sharded: false,
    instead: { single: ADAPTER_WEIGHTS, last: ADAPTER_CONFIG },
    foreign: { file: "config.json", means: "a model's" },
    otherFiles: { [ADAPTER_CONFIG]: { text: `${JSON.stringify(config, null, 2)}\n` } },
  });

  /** By whole name: PEFT reads a key as a regular expression, which matches this name alone. */
  function others(field: "rank" | "alpha", usual: number): Record<string, number> {
    const different = modules.filter((module) => module[field] !== usual);
    return Object.fromEntries(different.map((module) => [spelled(module.name), module[field]]));
  }
}

/** How transformers names the decoder's modules; in a multimodal model the text half is nested deeper. */
function spelling({ config }: Checkpoint): string {
  return config.json.model_type === "gemma3" ? "model.language_model." : "model.";
}
