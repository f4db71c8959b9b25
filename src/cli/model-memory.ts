/** Whether the models that a stage holds at once can fit into memory: weights, gradients and AdamW's moments alone. */
import { SwirlError } from "../errors/swirl-error.js";

/** The models that one stage has in memory at once. */
export interface StageModels {
  /** Name of the stage. */
  work: string;
  folders: { folder: string; trained: boolean }[];
}

/**
 * Counts 4 bytes per weight; of a model that is trained 16 (weight, gradient and two moments, all float32), or 8.0625 with
 * compact optimizer state: the least that a stage needs.
 *
 * @param weights Number of weights by model folder.
 * @param memoryBudget Bytes per model; 0 = unlimited.
 * @throws SwirlError MEMORY
 */
export function requireMemory(
  { work, folders }: StageModels,
  weights: ReadonlyMap<string, number>,
  memoryBudget: number,
  optimizerState: "float32" | "compact" = "float32",
): void {
  const trainedBytes = optimizerState === "compact" ? 8.0625 : 16;
  const free = process.availableMemory();
  const models = folders.map(({ folder, trained }) => {
    const bytes = (trained ? trainedBytes : 4) * (weights.get(folder) ?? 0);
    return { text: `${folder}${trained ? ", trained" : ""}: ${gibibytes(bytes)}`, bytes };
  });
  const all = models.reduce((sum, { bytes }) => sum + bytes, 0);
  const list = models.map(({ text }) => text).join("; ");
  const beyond = memoryBudget > 0 && models.some(({ bytes }) => bytes > memoryBudget);
  if (!beyond && all <= free) return;
  throw new SwirlError(
    "MEMORY",
    `${work} needs ${gibibytes(all)} for its models alone (${list}); ${
      beyond ? `memoryBudget is ${gibibytes(memoryBudget)}` : `${gibibytes(free)} are free`
    }`,
    {
      remedy:
        'use a smaller model or more memory, or optimizerState "compact"; in train, klWeight 0 needs no reference model',
      details: { field: "memoryBudget", bytes: all, free },
    },
  );
}

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toPrecision(3)} GiB`;
