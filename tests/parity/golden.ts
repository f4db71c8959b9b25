/** Reads the golden files of scripts/golden, and engines loaded with their checkpoints. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  Dtype,
  NativeLossOptions,
  NativeOptimizerOptions,
  NativeSequence,
  NativeTrainSequence,
} from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { loadWeights, openCheckpoint } from "../../src/policy/checkpoint/checkpoint.js";
import { openWeightFile, readTensorBytes } from "../../src/policy/checkpoint/weight-files.js";

const root = join(import.meta.dirname, "../golden");

/** SWIRL_TEST_DEVICE: cpu, or cuda for a GPU or for the emulated one that SWIRL_CUDA_MODULE names. */
export const testDevice = process.env.SWIRL_TEST_DEVICE || "cpu";

/** Every tiny model; those without "-old" have all losses and AdamW steps. */
export const models = readdirSync(root, { withFileTypes: true })
  .filter((entry) => existsSync(join(root, entry.name, "expected.safetensors")))
  .map((entry) => entry.name);
export const fullModels = models.filter((name) => !name.endsWith("-old"));

export interface TensorErrors {
  all: number;
  tensors: Record<string, number>;
}

interface Expected {
  entropy: number;
  clipRatio: number;
  sftLoss: number;
  optimizer: NativeOptimizerOptions;
  steps?: { loss: number; gradNorm: number }[];
  torchError: {
    float32: {
      logprobs: { max: number; rms: number };
      long: { max: number; rms: number };
      steps?: Record<string, TensorErrors>;
    };
    bfloat16: { logprobs: { max: number; rms: number }; long: { max: number; rms: number } };
  };
  losses: Record<
    string,
    {
      options: Omit<NativeLossOptions, "tree" | "maxTokensPerMicroBatch">;
      loss: number;
      gradNorm: number;
      kl?: number;
      torchError?: { float32: TensorErrors; bfloat16?: TensorErrors };
    }
  >;
}

export interface Golden {
  name: string;
  folder: string;
  expected: Expected;
  /** With the behavior and reference log-probs of this model. */
  batch: NativeTrainSequence[];
  /** Truth by label: [labels], sequences one after another. */
  logprobs: Float64Array;
  logprobsAtTemperature: Float64Array; // 0.7
  /** Unrelated sequences, scored from their second token on, and their truth. */
  long: NativeSequence[];
  longLogprobs: Float64Array;
  /** Parameters' gradients under a loss, or their values after a step, by prefix: "gradient.reinforce.", "step10." */
  tensors(prefix: string): Promise<Map<string, Float32Array>>;
}

export async function readGolden(name: string): Promise<Golden> {
  const folder = join(root, name);
  const file = await openWeightFile(join(folder, "expected.safetensors"));
  const read = async (tensor: string): Promise<ArrayBuffer> => {
    const entry = file.tensors.find((candidate) => candidate.name === tensor)!;
    return (await readTensorBytes(file, entry)).slice().buffer as ArrayBuffer;
  };
  const behavior = new Float32Array(await read("behavior"));
  const reference = new Float32Array(await read("reference"));
  let label = 0;
  const batch = readJson("batch.json").map(({ tokens, actionStart, advantage }): NativeTrainSequence => {
    const end = label + tokens.length - actionStart;
    const sequence = {
      tokens: Int32Array.from(tokens),
      actionStart,
      advantage,
      behaviorLogprobs: behavior.slice(label, end),
      referenceLogprobs: reference.slice(label, end),
    };
    label = end;
    return sequence;
  });
  return {
    name,
    folder,
    expected: JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")),
    batch,
    logprobs: new Float64Array(await read("logprobs")),
    logprobsAtTemperature: new Float64Array(await read("logprobs.temperature")),
    long: readJson("long.json").map(({ tokens, actionStart }) => ({
      tokens: Int32Array.from(tokens),
      actionStart,
    })),
    longLogprobs: new Float64Array(await read("logprobs.long")),
    async tensors(prefix) {
      const found = new Map<string, Float32Array>();
      for (const entry of file.tensors.filter((tensor) => tensor.name.startsWith(prefix))) {
        found.set(entry.name.slice(prefix.length), new Float32Array(await read(entry.name)));
      }
      return found;
    },
  };
}

function readJson(file: string): { tokens: number[]; actionStart: number; advantage: number }[] {
  return JSON.parse(readFileSync(join(root, file), "utf8"));
}

export async function engineOf(
  golden: Pick<Golden, "folder">,
  dtype: Dtype,
  trainable = true,
): Promise<Engine> {
  const checkpoint = await openCheckpoint(golden.folder);
  const engine = new Engine({
    config: checkpoint.config.model,
    device: testDevice,
    dtype,
    threads: 2,
    memoryBudget: 1 << 30,
    trainable,
  });
  await loadWeights(checkpoint, engine);
  return engine;
}

export async function readAll(
  engine: Engine,
  kind: "gradient" | "weight",
): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>();
  for (const { name } of engine.parameters()) {
    const bytes = await engine.readTensor(name, kind, "float32");
    all.set(name, new Float32Array(bytes.slice().buffer));
  }
  return all;
}

export const reinforce: NativeLossOptions = {
  loss: "reinforce",
  aggregation: "sequence-sum",
  clipLow: 0.2,
  clipHigh: 0.3,
  klWeight: 0,
  klEstimator: "k1",
  temperature: 1,
  tree: true,
  maxTokensPerMicroBatch: 0,
};
