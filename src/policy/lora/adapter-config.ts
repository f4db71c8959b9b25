/**
 * adapter_config.json as PEFT (0.18 and later) writes it. Every setting that would change the result and is not
 * supported is an error that names the field. A field that this version does not know is accepted only where it is off
 * (null, false, 0, empty): what it would do otherwise is unknown.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { parseJsonText } from "../../files/json-file.js";
import { checkpointError, shown } from "../checkpoint/checkpoint-error.js";
import type { AdapterPlan } from "./adapter-modules.js";
import type { ModuleTargets } from "./module-patterns.js";

export const ADAPTER_CONFIG = "adapter_config.json";
const LIMIT = 16 << 20; // bytes

export interface AdapterConfig extends AdapterPlan, ModuleTargets {
  file: string;
  /** base_model_name_or_path: a folder, or a name of the hub. */
  base: string | undefined;
}

const list = z.union([z.string(), z.array(z.string())]).nullish();
const rank = z
  .int()
  .min(1)
  .max(1 << 16);
const alpha = z.number();

const schema = z.looseObject({
  peft_type: z.string(),
  r: rank.default(8), // PEFT's defaults
  lora_alpha: alpha.default(8),
  target_modules: list,
  exclude_modules: list,
  use_rslora: z.boolean().default(false),
  rank_pattern: z.record(z.string(), rank).nullish(),
  alpha_pattern: z.record(z.string(), alpha).nullish(),
  layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
  layers_pattern: list,
  lora_dropout: z.number().min(0).max(1).nullish(),
  bias: z.string().default("none"),
  init_lora_weights: z.union([z.boolean(), z.string()]).default(true),
  task_type: z.string().nullish(),
  base_model_name_or_path: z.string().nullish(),
});

/** Fields that are read, or that have no effect on what a trained adapter computes. */
const UNDERSTOOD = new Set([
  ...Object.keys(schema.shape),
  "auto_mapping", // classes of transformers
  "corda_config", // how A and B were initialized; init_lora_weights tells whether that changed the base
  "ensure_weight_tying", // of embeddings, which are refused
  "eva_config",
  "inference_mode",
  "lora_ga_config",
  "megatron_core", // the name of a Python module
  "peft_version",
  "qalora_group_size", // of use_qalora
  "revision", // of the base on the hub
  "runtime_config", // how PEFT computes
]);

/**
 * Initializations of A and B that leave the base unchanged. The others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) change it.
 */
const DRAWS = new Set<unknown>([true, false, "gaussian", "eva", "orthogonal"]);

/** Remedies for unsupported settings that are known. */
const REMEDIES: Record<string, string> = {
  use_dora: "merge the adapter into its base with PEFT, and load the merged model",
  modules_to_save: "merge the adapter into its base with PEFT, and load the merged model",
  trainable_token_indices: "merge the adapter into its base with PEFT, and load the merged model",
  lora_bias: "merge the adapter into its base with PEFT, and load the merged model",
  fan_in_fan_out: "it is for Conv1D layers, which no supported model has: correct the field",
  layer_replication: "it turns the base into another model",
};

export async function isAdapterFolder(folder: string): Promise<boolean> {
  return await stat(join(folder, ADAPTER_CONFIG)).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** Throws CHECKPOINT, naming file and field. */
export async function readAdapterConfig(folder: string): Promise<AdapterConfig> {
  const file = join(folder, ADAPTER_CONFIG);
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > LIMIT)
      throw checkpointError(
        file,
        `has ${size} bytes`,
        "an adapter_config.json is a few kilobytes: is this one?",
      );
    text = await readFile(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "CHECKPOINT") throw cause;
    throw checkpointError(
      file,
      `cannot be read (${code ?? cause})`,
      "give the folder of an adapter: adapter_config.json and adapter_model.safetensors side by side",
      {},
      cause,
    );
  }
  return parseAdapterConfig(text, file);
}

/** `file` is only for messages. */
export function parseAdapterConfig(text: string, file: string): AdapterConfig {
  let json: unknown;
  try {
    json = parseJsonText(text);
  } catch (cause) {
    throw checkpointError(file, `is not JSON: ${(cause as Error).message}`, "save it again", {}, cause);
  }
  const wrong = (field: string, value: unknown, problem: string, remedy: string) =>
    checkpointError(file, `${field} is ${shown(value)}${problem}`, remedy, { field, value });
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const value = issue.path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
      json,
    );
    const field = issue.path.join(".") || "its content";
    throw wrong(field, value, `: ${issue.message}`, "correct the field, or save the adapter again");
  }
  const config = parsed.data;
  if (config.peft_type !== "LORA")
    throw wrong(
      "peft_type",
      config.peft_type,
      ", which is not supported",
      "use a LoRA adapter, peft_type LORA",
    );
  for (const [field, value] of Object.entries(config)) {
    if (UNDERSTOOD.has(field) || isOff(value)) continue;
    const known = Object.hasOwn(REMEDIES, field);
    throw wrong(
      field,
      value,
      ", which is not supported",
      known ? REMEDIES[field]! : "use plain LoRA; a newer version of this package may know the field",
    );
  }
  if (config.bias !== "none")
    throw wrong(
      "bias",
      config.bias,
      ", which is not supported",
      'train with bias "none", or merge with PEFT',
    );
  if (!DRAWS.has(config.init_lora_weights))
    throw wrong(
      "init_lora_weights",
      config.init_lora_weights,
      ", which changes the base it was trained on",
      "save it with PEFT's path_initial_model_for_weight_conversion, which converts it into a plain LoRA",
    );
  if (config.task_type && config.task_type !== "CAUSAL_LM")
    throw wrong(
      "task_type",
      config.task_type,
      ", which is not supported",
      "use an adapter of a causal language model",
    );
  const targets = config.target_modules ?? [];
  if (targets.length === 0)
    throw wrong("target_modules", config.target_modules, "", "name the modules that the adapter changes");
  const layers = config.layers_to_transform;
  return {
    file,
    base: config.base_model_name_or_path || undefined,
    rank: config.r,
    alpha: config.lora_alpha,
    rsLora: config.use_rslora,
    rankPattern: config.rank_pattern ?? {},
    alphaPattern: config.alpha_pattern ?? {},
    targets,
    excluded: config.exclude_modules ?? undefined,
    layers: layers === undefined || layers === null ? undefined : [layers].flat(),
    layersPattern: config.layers_pattern ? [config.layers_pattern].flat() : undefined,
  };
}

function isOff(value: unknown): boolean {
  if (value === null || value === false || value === 0 || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
