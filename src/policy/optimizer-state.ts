/**
 * All that a run needs, in addition to the saved weights, to resume bit for bit: AdamW's moments and step, and the float32
 * master weights (a bfloat16 checkpoint has fewer bits than they). One safetensors file:
 *   weight.<parameter>, adam_m.<parameter>, adam_v.<parameter>   F32, shape of the parameter
 *   metadata: { format: "swirl-optimizer", version: "1", step: "…" }
 * Written under a temporary name, synced and renamed: whole or absent.
 */
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";
import { syncFolder, temporaryName } from "../files/atomic-write.js";
import type { NativeEngine, ParameterInfo, TensorKind } from "../native/addon.js";
import { engineParts, writeEngineParts } from "./checkpoint/tensor-parts.js";
import { openWeightFile, tensorParts } from "./checkpoint/weight-files.js";
import { writeSafetensors } from "./checkpoint/write-checkpoint.js";

const FORMAT = "swirl-optimizer";
const VERSION = "1";
const KINDS = ["weight", "adam_m", "adam_v"] as const satisfies readonly TensorKind[];

type StateEngine = Pick<
  NativeEngine,
  "parameters" | "readTensor" | "writeTensor" | "optimizerStep" | "setOptimizerStep"
>;

export async function saveOptimizerState(engine: StateEngine, file: string): Promise<void> {
  const metadata = { format: FORMAT, version: VERSION, step: String(engine.optimizerStep()) };
  const tensors = entries(engine).map(({ key, name, shape, kind }) => ({
    name: key,
    dtype: "F32" as const,
    shape,
    parts: () => engineParts(engine, { name, kind, shape, dtype: "float32" }),
  }));
  const temporary = temporaryName(file); // of this call alone: two of them may run at once
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
  if (format !== FORMAT || version !== VERSION || !/^\d+$/.test(step ?? "")) {
    throw refusal(
      file,
      `is no optimizer state of version ${VERSION} (metadata: ${JSON.stringify(stored.metadata)})`,
      "pass a file that saveOptimizer wrote with this version of the package",
    );
  }
  const wanted = entries(engine);
  const found = new Map(stored.tensors.map((entry) => [entry.name, entry]));
  for (const { key, shape } of wanted) {
    const entry = found.get(key);
    const same = entry?.dtype === "F32" && entry.shape.join() === shape.join();
    if (!same) {
      const problem =
        entry === undefined ? "is missing" : `is ${entry.dtype} [${entry.shape}], not F32 [${shape}]`;
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
      `holds tensor "${extra.name}", which this model has not`,
      "load the model it was saved from",
      extra.name,
    );
  }
  // Before the first is written: a file that is refused leaves the policy as it was.
  for (const { key, kind } of wanted) {
    for await (const part of tensorParts(stored, found.get(key)!)) {
      const problem = unusable(part, kind);
      if (problem === undefined) continue;
      throw refusal(
        file,
        `tensor "${key}" holds ${problem}`,
        "the run that saved it had diverged: load an earlier checkpoint",
        key,
      );
    }
  }
  for (const { key, name, kind } of wanted) {
    await writeEngineParts(engine, { name, kind, dtype: "float32" }, tensorParts(stored, found.get(key)!));
  }
  engine.setOptimizerStep(Number(step));
}

/** What the engine would refuse to hold: a value past bfloat16's range, or a second moment below 0. */
function unusable(bytes: Uint8Array, kind: TensorKind): string | undefined {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  const values = new Float32Array(words.buffer, words.byteOffset, words.length);
  for (let i = 0; i < words.length; i++) {
    if ((words[i]! & 0x7fffffff) >= 0x7f7f8000) return `${values[i]}, which is not finite or too large`;
    if (kind === "adam_v" && values[i]! < 0) return `${values[i]}, and a second moment is at least 0`;
  }
  return undefined;
}

interface Entry extends ParameterInfo {
  key: string;
  kind: (typeof KINDS)[number];
}

function entries(engine: Pick<NativeEngine, "parameters">): Entry[] {
  const parameters = engine.parameters();
  return KINDS.flatMap((kind) =>
    parameters.map(({ name, shape }) => ({ key: `${kind}.${name}`, name, shape, kind })),
  );
}

function refusal(file: string, problem: string, remedy: string, tensor?: string): SwirlError {
  return new SwirlError("CHECKPOINT", `${file}: ${problem}`, {
    remedy,
    details: { file, ...(tensor === undefined ? {} : { tensor }) },
  });
}
