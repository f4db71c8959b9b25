/**
 * Saves an engine's weights as a folder like the one they came from: same files, tensor names and order, element
 * types, together with the config, tokenizer and chat template. Tensors the engine does not hold (a vision tower)
 * are copied from the source folder byte for byte.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { SwirlError } from "../../errors/swirl-error.js";
import type { Dtype, NativeEngine } from "../../native/addon.js";
import type { Checkpoint } from "./checkpoint.js";
import { shown } from "./checkpoint-error.js";
import { float32ToFloat16 } from "./element-types.js";
import { parseModelConfig } from "./model-config.js";
import { EMBEDDING, parametersOf } from "./parameter-names.js";
import type { ElementType } from "./safetensors.js";
import { engineParts } from "./tensor-parts.js";
import { SINGLE, tensorParts } from "./weight-files.js";
import { type TensorToWrite, writeCheckpointFolder } from "./write-checkpoint.js";

export type WeightReader = Pick<NativeEngine, "readTensor">;

/** The file that makes a folder an adapter (../lora/adapter-config.ts). */
const ADAPTER = { file: "adapter_config.json", means: "an adapter's" };

const carriedFiles = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template.jinja",
  "chat_template.json",
  "preprocessor_config.json",
  "processor_config.json",
];

/** `dtype`: stored type of every parameter; by default each keeps the type it had. */
export async function saveCheckpoint(
  source: Checkpoint,
  target: string,
  engine: WeightReader,
  options: { dtype?: Dtype } = {},
): Promise<void> {
  const parameters = new Map([...source.parameters.values()].map(({ entry, name }) => [entry.name, name]));
  if (source.redundantHead) parameters.set(source.redundantHead.name, EMBEDDING);
  // A shard from which the index uses nothing is not part of the checkpoint.
  const stored = source.weights.files.filter(({ tensors }) => tensors.length > 0);
  const files = stored.map((file) => ({
    name: file.name,
    metadata: { format: "pt", ...file.metadata },
    tensors: file.tensors.map((entry): TensorToWrite => {
      const parameter = parameters.get(entry.name);
      if (parameter === undefined) {
        return {
          name: entry.name,
          dtype: entry.dtype,
          shape: entry.shape,
          parts: () => tensorParts(file, entry),
        };
      }
      const dtype = options.dtype ? elementType(options.dtype) : entry.dtype;
      const { name, shape } = entry;
      return { name, dtype, shape, parts: () => partsAs(engine, parameter, shape, dtype) };
    }),
  }));
  const { text } = source.config;
  await writeCheckpointFolder(target, {
    files,
    sharded: source.weights.sharded,
    foreign: ADAPTER,
    otherFiles: {
      "config.json": { text: options.dtype ? withDtype(text, options.dtype) : text },
      ...(await carried(source.folder)),
    },
  });
}

/**
 * A folder for a model that was not loaded from one. `config` is a config.json's content, `otherFiles` further text
 * files (tokenizer.json, …).
 */
export async function saveNewCheckpoint(
  config: Record<string, unknown>,
  target: string,
  engine: WeightReader,
  options: { dtype: Dtype; otherFiles?: Record<string, string> },
): Promise<void> {
  const { torch_dtype: _, ...rest } = config;
  const text = `${configText({ ...rest, dtype: options.dtype })}\n`;
  const { model } = parseModelConfig(text, join(target, "config.json"));
  const dtype = elementType(options.dtype);
  const tensors = parametersOf(model).map(
    ({ name, shape }): TensorToWrite => ({
      name,
      dtype,
      shape,
      parts: () => partsAs(engine, name, shape, dtype),
    }),
  );
  const otherFiles = Object.entries(options.otherFiles ?? {}).map(
    ([name, content]) => [name, { text: content }] as const,
  );
  await writeCheckpointFolder(target, {
    foreign: ADAPTER,
    files: [{ name: SINGLE, metadata: { format: "pt" }, tensors }],
    sharded: false,
    otherFiles: { ...Object.fromEntries(otherFiles), "config.json": { text } },
  });
}

async function* partsAs(
  engine: WeightReader,
  name: string,
  shape: readonly number[],
  dtype: ElementType,
): AsyncGenerator<Uint8Array, void, undefined> {
  const kind = "weight";
  if (dtype === "BF16") return yield* engineParts(engine, { name, kind, shape, dtype: "bfloat16" });
  let first = 0;
  for await (const part of engineParts(engine, { name, kind, shape, dtype: "float32" })) {
    yield dtype === "F16" ? halves(part, name, first) : part;
    first += part.length / 4;
  }
}

/** `first`: index in the tensor of the part's first element. */
function halves(part: Uint8Array, name: string, first: number): Uint8Array {
  const { bytes, overflow } = float32ToFloat16(part);
  if (overflow < 0) return bytes;
  const value = new DataView(part.buffer, part.byteOffset).getFloat32(4 * overflow, true);
  throw new SwirlError(
    "NUMERICS",
    `${name}[${first + overflow}] is ${shown(value)}, beyond float16's 65504`,
    { remedy: 'save with dtype "bfloat16" or "float32"', details: { tensor: name } },
  );
}

function elementType(dtype: Dtype): ElementType {
  return dtype === "float32" ? "F32" : "BF16";
}

/** Edits the text, so that numbers keep their spelling. `dtype` since transformers 5, `torch_dtype` before. */
function withDtype(text: string, dtype: Dtype): string {
  const field = /("(?:torch_)?dtype"\s*:\s*)"[^"]*"/g;
  return field.test(text)
    ? text.replace(field, `$1"${dtype}"`)
    : text.replace("{", `{\n  "dtype": "${dtype}",`);
}

/** JSON in which the fields that transformers wants as floats look like floats. */
function configText(config: Record<string, unknown>): string {
  return JSON.stringify(config, null, 2).replace(
    /("(?:final|attn)_logit_softcapping": \d+)(?=,?\n)/g,
    "$1.0",
  );
}

async function carried(folder: string): Promise<Record<string, { copyOf: string }>> {
  const files: Record<string, { copyOf: string }> = {};
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const wanted = carriedFiles.includes(name) || /^(LICENSE|NOTICE)(\.\w+)?$/.test(name);
    if (wanted && (await stat(path)).isFile()) files[name] = { copyOf: path };
  }
  // Where transformers keeps a model's other chat templates.
  const templates = "additional_chat_templates";
  for (const name of await readdir(join(folder, templates)).catch(() => [])) {
    const path = join(folder, templates, name);
    if (name.endsWith(".jinja") && (await stat(path)).isFile())
      files[`${templates}/${name}`] = { copyOf: path };
  }
  return files;
}
