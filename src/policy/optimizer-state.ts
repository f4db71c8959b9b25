/**
 * All that a run needs, in addition to the saved weights, to resume bit for bit: AdamW's moments and step, and the
 * master weights (a bfloat16 checkpoint has fewer bits than float32 ones). One safetensors file:
 *   weight.<parameter>, adam_m.<parameter>, adam_v.<parameter>   F32, shape of the parameter
 *   metadata: { format: "swirl-optimizer", version: "1", step: "…" }
 * Compact state is stored as it is held (native/kernels/compact_state.h), version "2". For a matrix:
 *   weight.<parameter>          BF16, shape of the parameter
 *   adam_m_codes.<parameter>    F8_E4M3, shape of the parameter
 *   adam_v_codes.<parameter>    U8, shape of the parameter
 *   adam_m_scales.<parameter>, adam_v_scales.<parameter>   U8, one per 32 elements
 * Vectors are stored as in version "1".
 * Written under a temporary name, synced and renamed: complete or absent.
 */
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";
import { syncFolder, temporaryName } from "../files/atomic-write.js";
import type { Dtype, NativeEngine, ParameterInfo, StoredKind, TensorKind } from "../native/addon.js";
import { elements, engineParts, writeEngineParts } from "./checkpoint/tensor-parts.js";
import { openWeightFile, tensorParts } from "./checkpoint/weight-files.js";
import { writeSafetensors } from "./checkpoint/write-checkpoint.js";

const FORMAT = "swirl-optimizer";
const VERSIONS = { float32: "1", compact: "2" } as const;
const BLOCK = 32; // elements that share a scale

type StateEngine = Pick<
  NativeEngine,
  "parameters" | "readTensor" | "writeTensor" | "optimizerStep" | "setOptimizerStep"
> & { readonly optimizerState: "float32" | "compact" };

export async function saveOptimizerState(engine: StateEngine, file: string): Promise<void> {
  const metadata = {
    format: FORMAT,
    version: VERSIONS[engine.optimizerState],
    step: String(engine.optimizerStep()),
  };
  const tensors = entries(engine).map(({ key, name, shape, kind, type }) => ({
    name: key,
    dtype: type,
    shape,
    parts: () => engineParts(engine, { name, kind, shape, dtype: engineType(type) }),
  }));
  const temporary = temporaryName(file); // unique to this call: two of them may run at once
  try {
    await writeSafetensors(temporary, tensors, metadata);
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    if (SwirlError.isInstance(cause)) throw cause;
    throw new SwirlError("CHECKPOINT", `${file}: cannot be written (${(cause as Error).message})`, {
      remedy: "free some space, or choose a folder that exists and can be written",
      details: { file },
      cause,
    });
  }
  await syncFolder(dirname(file));
}

/** Checks the whole file against the engine's parameters before the first tensor is written. */
export async function loadOptimizerState(engine: StateEngine, file: string): Promise<void> {
  const stored = await openWeightFile(file).catch((cause: NodeJS.ErrnoException) => {
    if (SwirlError.isInstance(cause)) throw cause;
    throw refusal(file, `cannot be read (${cause.message})`, "pass the file that saveOptimizer wrote");
  });
  const { format, version, step } = stored.metadata;
  const held = engine.optimizerState;
  const other = held === "compact" ? "float32" : "compact";
  if (format === FORMAT && version === VERSIONS[other]) {
    throw refusal(
      file,
      `holds ${other} optimizer state, and this policy has ${held} state`,
      `load the policy with optimizerState: "${other}", or start from the saved weights alone`,
    );
  }
  if (format !== FORMAT || version !== VERSIONS[held] || !/^\d+$/.test(step ?? "")) {
    throw refusal(
      file,
      `is not optimizer state of version ${VERSIONS[held]} (metadata: ${JSON.stringify(stored.metadata)})`,
      "pass a file that saveOptimizer wrote with this version of the package",
    );
  }
  const wanted = entries(engine);
  const found = new Map(stored.tensors.map((entry) => [entry.name, entry]));
  for (const { key, shape, type } of wanted) {
    const entry = found.get(key);
    const same = entry?.dtype === type && entry.shape.join() === shape.join();
    if (!same) {
      const problem =
        entry === undefined ? "is missing" : `is ${entry.dtype} [${entry.shape}], not ${type} [${shape}]`;
      throw refusal(
        file,
        `tensor "${key}" ${problem}`,
        "it was saved from another model: load that one",
        key,
      );
    }
  }
  const known = new Set(wanted.map(({ key }) => key));
  const extra = stored.tensors.find((entry) => !known.has(entry.name));
  if (extra) {
    throw refusal(
      file,
      `holds tensor "${extra.name}", which this model does not have`,
      "load the model it was saved from",
      extra.name,
    );
  }
  // Before the first is written: a file that is refused leaves the policy as it was.
  for (const { key, kind, type } of wanted) {
    for await (const part of tensorParts(stored, found.get(key)!)) {
      const problem = unusable(part, kind, type);
      if (problem === undefined) continue;
      throw refusal(
        file,
        `tensor "${key}" holds ${problem}`,
        "the run that saved it had diverged: load an earlier checkpoint",
        key,
      );
    }
  }
  for (const { key, name, kind, type } of wanted) {
    const tensor = { name, kind, dtype: engineType(type) };
    await writeEngineParts(engine, tensor, tensorParts(stored, found.get(key)!));
  }
  engine.setOptimizerStep(Number(step));
}

/** The largest byte that a step writes. A first moment's code has its sign in the highest bit. */
const LARGEST: Record<StoredKind, number> = {
  adam_m_codes: 0x7e,
  adam_m_scales: 246,
  adam_v_codes: 0xfe,
  adam_v_scales: 238,
};

/**
 * Finds what the engine would reject: a value past bfloat16's range, a second moment below 0, a byte that is not a
 * code.
 */
function unusable(bytes: Uint8Array, kind: Kind, type: Entry["type"]): string | undefined {
  if (type === "U8" || type === "F8_E4M3") {
    const mask = type === "F8_E4M3" ? 0x7f : 0xff;
    const largest = LARGEST[kind as StoredKind];
    const bad = bytes.find((byte) => (byte & mask) > largest);
    return bad === undefined ? undefined : `the byte ${bad}, which is not a valid code`;
  }
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  if (type === "BF16") {
    const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
    const bad = halves.some((half) => (half & 0x7f80) === 0x7f80);
    return bad ? "a weight that is not finite" : undefined;
  }
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  const values = new Float32Array(words.buffer, words.byteOffset, words.length);
  for (let i = 0; i < words.length; i++) {
    if ((words[i]! & 0x7fffffff) >= 0x7f7f8000) return `${values[i]}, which is not finite or too large`;
    if (kind === "adam_v" && values[i]! < 0) return `${values[i]}, and a second moment is at least 0`;
  }
  return undefined;
}

type Kind = Exclude<TensorKind, "gradient"> | StoredKind;

interface Entry extends ParameterInfo {
  key: string;
  kind: Kind;
  /** Element type in the file. */
  type: "F32" | "BF16" | "F8_E4M3" | "U8";
}

function entries(engine: Pick<StateEngine, "parameters" | "optimizerState">): Entry[] {
  const parameters = engine.parameters();
  const of = (kind: Kind, type: Entry["type"], { name, shape }: ParameterInfo): Entry => ({
    key: `${kind}.${name}`,
    name,
    kind,
    type,
    shape: kind.endsWith("_scales") ? [Math.ceil(elements(shape) / BLOCK)] : shape,
  });
  const compact = engine.optimizerState === "compact" ? parameters.filter(isMatrix) : [];
  const float32 = engine.optimizerState === "compact" ? parameters.filter((p) => !isMatrix(p)) : parameters;
  return [
    ...compact.flatMap((parameter) => [
      of("weight", "BF16", parameter),
      of("adam_m_codes", "F8_E4M3", parameter),
      of("adam_m_scales", "U8", parameter),
      of("adam_v_codes", "U8", parameter),
      of("adam_v_scales", "U8", parameter),
    ]),
    ...(["weight", "adam_m", "adam_v"] as const).flatMap((kind) =>
      float32.map((parameter) => of(kind, "F32", parameter)),
    ),
  ];
}

function isMatrix({ shape }: ParameterInfo): boolean {
  return shape.length > 1;
}

function engineType(type: Entry["type"]): Dtype {
  return type === "BF16" ? "bfloat16" : "float32";
}

function refusal(file: string, problem: string, remedy: string, tensor?: string): SwirlError {
  return new SwirlError("CHECKPOINT", `${file}: ${problem}`, {
    remedy,
    details: { file, ...(tensor === undefined ? {} : { tensor }) },
  });
}
