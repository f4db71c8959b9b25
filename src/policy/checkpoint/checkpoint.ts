/**
 * An opened model folder: its config is mapped, and every parameter was found in the weight files with the right shape
 * and a supported element type. Bytes are read one tensor at a time, so loading needs no second copy of the model.
 */
import { createHash } from "node:crypto";
import { SwirlError } from "../../errors/swirl-error.js";
import type { Dtype, NativeEngine } from "../../native/addon.js";
import { checkpointError, shown } from "./checkpoint-error.js";
import { float16ToFloat32 } from "./element-types.js";
import { type CheckpointConfig, readModelConfig } from "./model-config.js";
import { EMBEDDING, HEAD, parametersOf, spellingOf } from "./parameter-names.js";
import type { TensorEntry } from "./safetensors.js";
import { elements, joined, writeEngineParts } from "./tensor-parts.js";
import { openWeightFiles, tensorParts, type WeightFile, type WeightFiles } from "./weight-files.js";

export interface StoredParameter {
  name: string; // the engine's name
  shape: number[];
  entry: TensorEntry; // entry.name is the checkpoint's spelling
  file: WeightFile;
}

export interface Checkpoint {
  folder: string;
  config: CheckpointConfig;
  weights: WeightFiles;
  parameters: Map<string, StoredParameter>;
  /** An output head stored in addition to tied embeddings: a copy of the embedding, which transformers drops. */
  redundantHead: TensorEntry | undefined;
}

/** Reads config and headers, no tensor. Throws SwirlError CHECKPOINT. */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const config = await readModelConfig(folder);
  const weights = await openWeightFiles(folder);
  const spell = spellingOf(weights.tensors);
  if (!spell) {
    throw checkpointError(
      folder,
      `holds ${weights.tensors.size} tensors, none of them an embedding (embed_tokens.weight)`,
      "is this a causal language model in Hugging Face's naming? An adapter needs its base model",
      { tensor: EMBEDDING },
    );
  }
  const parameters = new Map<string, StoredParameter>();
  for (const { name, shape } of parametersOf(config.model)) {
    const spelled = spell(name);
    const found = weights.tensors.get(spelled);
    if (!found) {
      throw checkpointError(
        folder,
        `has no tensor ${shown(spelled)}, which its config.json requires`,
        name === HEAD
          ? "set tie_word_embeddings to true if the head shares the embedding, or download the weights again"
          : "config.json and the weights belong to different models, or a file is missing: download both again",
        { tensor: spelled },
      );
    }
    checkShape(found.entry, shape, found.file);
    checkElementType(found.entry, found.file);
    parameters.set(name, { name, shape, entry: found.entry, file: found.file });
  }
  const head = config.model.tiedEmbeddings ? weights.tensors.get(spell(HEAD)) : undefined;
  refuseStrays(weights, spell, parameters);
  return { folder, config, weights, parameters, redundantHead: head?.entry };
}

/** One parameter in a type the engine takes: bfloat16 as stored, float32 otherwise (float16 is widened, exactly). */
export async function readParameter(
  checkpoint: Checkpoint,
  name: string,
): Promise<{ dtype: Dtype; shape: number[]; data: Uint8Array }> {
  const parameter = checkpoint.parameters.get(name);
  if (!parameter) {
    throw new SwirlError("INPUT", `${checkpoint.folder} has no parameter ${shown(name)}`, {
      remedy: `use one of ${[...checkpoint.parameters.keys()].slice(0, 4).join(", ")}, …`,
      details: { tensor: name },
    });
  }
  const { entry, shape } = parameter;
  const dtype = engineType(entry);
  const bytes = elements(shape) * (dtype === "bfloat16" ? 2 : 4);
  return { dtype, shape, data: await joined(bytes, parameterParts(parameter)) };
}

function engineType(entry: TensorEntry): Dtype {
  return entry.dtype === "BF16" ? "bfloat16" : "float32";
}

async function* parameterParts({
  file,
  entry,
}: StoredParameter): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const part of tensorParts(file, entry))
    yield entry.dtype === "F16" ? float16ToFloat32(part) : part;
}

/**
 * Writes every parameter into the engine. Resolves to the SHA-256 of names, shapes and stored bytes: the same
 * weights give the same hash however they are sharded.
 */
export async function loadWeights(
  checkpoint: Checkpoint,
  engine: Pick<NativeEngine, "writeTensor">,
  options: { onProgress?: (done: number, total: number) => void; signal?: AbortSignal } = {},
): Promise<string> {
  const hash = createHash("sha256");
  const total = checkpoint.parameters.size;
  let done = 0;
  async function* hashed(parameter: StoredParameter): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const part of parameterParts(parameter)) {
      if (options.signal?.aborted)
        throw new SwirlError("ABORTED", `loading ${checkpoint.folder} was aborted`);
      hash.update(part);
      yield part;
    }
  }
  for (const [name, parameter] of checkpoint.parameters) {
    const dtype = engineType(parameter.entry);
    hash.update(`${name} ${dtype} ${parameter.shape.join("x")}\n`);
    if (name === EMBEDDING) await refuseDifferentHead(checkpoint);
    await writeEngineParts(engine, { name, kind: "weight", dtype }, hashed(parameter)).catch((cause) => {
      if (!SwirlError.isInstance(cause) || cause.code !== "NUMERICS") throw cause;
      const { entry, file } = parameter;
      throw checkpointError(
        file.path,
        `tensor ${shown(entry.name)} holds a weight that is not finite (${cause.details.value})`,
        "the run that saved it had diverged: load an earlier checkpoint",
        { tensor: entry.name },
      );
    });
    options.onProgress?.(++done, total);
  }
  return hash.digest("hex");
}

function checkShape(entry: TensorEntry, shape: number[], file: WeightFile): void {
  if (entry.shape.length === shape.length && entry.shape.every((side, i) => side === shape[i])) return;
  throw checkpointError(
    file.path,
    `tensor ${shown(entry.name)} has shape ${shown(entry.shape)}, but config.json requires ${shown(shape)}`,
    entry.name.endsWith("embed_tokens.weight")
      ? "vocab_size and hidden_size of config.json must be those of the weights (resize with transformers)"
      : "config.json and the weights belong to different models: download both again",
    { tensor: entry.name, found: entry.shape, expected: shape },
  );
}

function checkElementType(entry: TensorEntry, file: WeightFile): void {
  if (entry.dtype === "F32" || entry.dtype === "BF16" || entry.dtype === "F16") return;
  throw checkpointError(
    file.path,
    `tensor ${shown(entry.name)} is ${entry.dtype}`,
    "weights must be F32, BF16 or F16: use the unquantized checkpoint",
    { tensor: entry.name, field: "dtype", value: entry.dtype },
  );
}

/** A decoder tensor that no parameter uses means that the config is wrong: using it would change the model. */
function refuseStrays(
  weights: WeightFiles,
  spell: (name: string) => string,
  parameters: Map<string, StoredParameter>,
): void {
  const used = new Set([...parameters.values()].map(({ entry }) => entry.name));
  const decoder = spell("model.layers.").slice(0, -"layers.".length);
  for (const [name, { file }] of weights.tensors) {
    if (used.has(name) || name === spell(HEAD) || name.endsWith(".rotary_emb.inv_freq")) continue;
    if (!name.startsWith(decoder)) continue;
    throw checkpointError(
      file.path,
      `holds tensor ${shown(name)}, which does not exist in a model with this config.json`,
      "config.json and the weights belong to different models (layer count, biases or model_type): download both again",
      { tensor: name },
    );
  }
}

async function refuseDifferentHead(checkpoint: Checkpoint): Promise<void> {
  const { redundantHead: head, weights, parameters } = checkpoint;
  const embedding = parameters.get(EMBEDDING);
  const stored = head && weights.tensors.get(head.name);
  if (!stored || !embedding) return;
  if (stored.entry.dtype === embedding.entry.dtype && (await sameBytes(stored, embedding))) return;
  throw checkpointError(
    stored.file.path,
    `${shown(stored.entry.name)} differs from ${shown(embedding.entry.name)}, but tie_word_embeddings is true`,
    "set tie_word_embeddings to false in config.json to keep the separate head",
    { tensor: stored.entry.name, field: "tie_word_embeddings" },
  );
}

interface Stored {
  file: WeightFile;
  entry: TensorEntry;
}

async function sameBytes(a: Stored, b: Stored): Promise<boolean> {
  if (a.entry.bytes !== b.entry.bytes) return false;
  const others = tensorParts(b.file, b.entry);
  for await (const part of tensorParts(a.file, a.entry)) {
    const other = await others.next();
    if (other.done || Buffer.compare(part, other.value) !== 0) {
      await others.return();
      return false;
    }
  }
  await others.return();
  return true;
}
