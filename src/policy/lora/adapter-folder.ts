/**
 * An adapter folder, opened and checked against its base: the config is read, and adapter_model.safetensors must have
 * exactly the tensors that the config requires, with the right shapes. No tensor is read before these checks.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ModelConfig } from "../../native/addon.js";
import { checkpointError, shown } from "../checkpoint/checkpoint-error.js";
import { float16ToFloat32 } from "../checkpoint/element-types.js";
import type { TensorEntry } from "../checkpoint/safetensors.js";
import { openWeightFile, tensorParts, type WeightFile } from "../checkpoint/weight-files.js";
import { type AdapterConfig, readAdapterConfig } from "./adapter-config.js";
import { type AdapterModule, type Refusal, ranked, select } from "./adapter-modules.js";
import { projectionsOf } from "./projections.js";

export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** Metadata of the weights file: the hash of the base that the adapter was trained on. PEFT ignores it. */
export const BASE_HASH = "swirl_base";

/** What PEFT puts before the module's name, and how the decoder's names begin in the classes of transformers. */
const WRAPPER = "base_model.model.";
const SPELLINGS = ["model.language_model.", "language_model.model.", "model.", ""];
const ENGINE_SPELLING = "model.";

export interface StoredAdapter {
  folder: string;
  config: AdapterConfig;
  modules: AdapterModule[];
  /** A and B of each module, by the engine's name of the tensor. */
  tensors: Map<string, { entry: TensorEntry; file: WeightFile }>;
  /** Hash of the base's weights, if the file has it. */
  baseHash: string | undefined;
}

/** Throws CHECKPOINT, naming file and field or tensor. */
export async function openAdapter(folder: string, base: ModelConfig): Promise<StoredAdapter> {
  const config = await readAdapterConfig(folder);
  const file = await openAdapterWeights(folder);
  const spelling = spellingOf(file);
  const spelled = (name: string) => spelling + name.slice(ENGINE_SPELLING.length);
  const refuse: Refusal = (field, problem, remedy) => {
    const theirs = FIELDS[field];
    return checkpointError(config.file, `${theirs} ${problem}`, remedy, { field: theirs });
  };
  const all = projectionsOf(base);
  const chosen = select(all, config, refuse, spelled);
  if (chosen.length === 0)
    throw checkpointError(
      config.file,
      `target_modules ${shown(config.targets)} matches no matrix of this base`,
      `is it an adapter of another model? This one has ${all
        .slice(0, 3)
        .map(({ name }) => name)
        .join(", ")}, …`,
      { field: "target_modules", value: config.targets },
    );
  const modules = ranked(config, chosen, false, refuse, spelled);
  const tensors: StoredAdapter["tensors"] = new Map();
  const stored = new Map(file.tensors.map((entry) => [entry.name, entry]));
  const missing = (name: string, tensor: string) =>
    checkpointError(
      file.path,
      `has no tensor ${shown(tensor)}, which adapter_config.json requires`,
      "config and weights belong to different adapters, or the file is truncated: save or download both again",
      { tensor, module: name },
    );
  for (const { name, rank, in: in_, out } of modules) {
    for (const [matrix, shape] of [
      ["lora_A", [rank, in_]],
      ["lora_B", [out, rank]],
    ] as const) {
      const tensor = `${WRAPPER}${spelled(name)}.${matrix}.weight`;
      const entry = stored.get(tensor);
      if (entry === undefined) throw missing(name, tensor);
      requireShape(entry, shape, file);
      tensors.set(`${name}.${matrix}.weight`, { entry, file });
      stored.delete(tensor);
    }
  }
  const [extra] = stored.keys();
  if (extra !== undefined)
    throw checkpointError(
      file.path,
      `holds tensor ${shown(extra)}, which no module of this base has`,
      /lm_head|embed_tokens|lora_embedding/.test(extra)
        ? "adapters of embeddings are not supported: merge it into its base with PEFT"
        : "is it an adapter of another model? Its base must have every module that it changes",
      { tensor: extra },
    );
  return { folder, config, modules, tensors, baseHash: file.metadata[BASE_HASH] };
}

/** The bytes of one tensor in a type the engine takes: bfloat16 as stored, float32 otherwise. */
export async function* adapterParts({
  entry,
  file,
}: {
  entry: TensorEntry;
  file: WeightFile;
}): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const part of tensorParts(file, entry))
    yield entry.dtype === "F16" ? float16ToFloat32(part) : part;
}

const FIELDS = {
  targetModules: "target_modules",
  rank: "r",
  alpha: "lora_alpha",
  rsLora: "use_rslora",
  rankPattern: "rank_pattern",
  alphaPattern: "alpha_pattern",
} as const;

async function openAdapterWeights(folder: string): Promise<WeightFile> {
  const path = join(folder, ADAPTER_WEIGHTS);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return await openWeightFile(path);
  const pickled = await stat(join(folder, "adapter_model.bin")).catch(() => undefined);
  throw checkpointError(
    folder,
    `has no ${ADAPTER_WEIGHTS}`,
    pickled
      ? "adapter_model.bin is not read, since it can run code: load it with PEFT and save_pretrained it as safetensors"
      : "the download or the save did not finish: do it again",
  );
}

function spellingOf(file: WeightFile): string {
  const first = file.tensors.find(({ name }) =>
    /\.layers\.\d+\.|^base_model\.model\.layers\./.test(name),
  )?.name;
  const rest = first?.startsWith(WRAPPER) ? first.slice(WRAPPER.length) : undefined;
  const spelling = SPELLINGS.find((prefix) => rest?.startsWith(`${prefix}layers.`));
  if (spelling !== undefined) return spelling;
  throw checkpointError(
    file.path,
    `holds ${file.tensors.length} tensors, none of them ${WRAPPER}…layers.N.….lora_A.weight`,
    "is it an adapter of a decoder-only language model, as PEFT saves it?",
    { tensor: file.tensors[0]?.name ?? "" },
  );
}

function requireShape(entry: TensorEntry, shape: readonly number[], file: WeightFile): void {
  if (entry.dtype !== "F32" && entry.dtype !== "BF16" && entry.dtype !== "F16")
    throw checkpointError(file.path, `tensor ${shown(entry.name)} is ${entry.dtype}`, "save it as float32", {
      tensor: entry.name,
      field: "dtype",
      value: entry.dtype,
    });
  if (entry.shape.length === shape.length && entry.shape.every((side, i) => side === shape[i])) return;
  throw checkpointError(
    file.path,
    `tensor ${shown(entry.name)} has shape ${shown(entry.shape)}, but this base and adapter_config.json make it ${shown(shape)}`,
    "it is an adapter of another base, or the ranks in its config are not its own",
    { tensor: entry.name, found: entry.shape, expected: shape },
  );
}
