/** Whether the models that a stage holds at once can fit into memory: weights, gradients and AdamW's moments alone. */
import { SwirlError } from "../errors/swirl-error.js";

/** The models that one stage has in memory at once. */
export interface StageModels {
  /** Name of the stage. */
  work: string;
  folders: { folder: string; trained: boolean }[];
}

/** Least bytes of a model: as it is, and while it is trained. */
export interface ModelBytes {
  held: number;
  trained: number;
}

/**
 * Counts weights, and gradients and both moments of what is trained: the least that a stage needs.
 *
 * @param weights By folder.
 * @param memoryBudget Bytes per model; 0 = unlimited.
 * @throws SwirlError MEMORY
 */
export function requireMemory(
  { work, folders }: StageModels,
  weights: ReadonlyMap<string, ModelBytes>,
  memoryBudget: number,
): void {
  const free = process.availableMemory();
  const models = folders.map(({ folder, trained }) => {
    const bytes = weights.get(folder)?.[trained ? "trained" : "held"] ?? 0;
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
        'train an adapter (--lora), or use optimizerState "compact", a smaller model or more memory; klWeight 0 needs no reference',
      details: { field: "memoryBudget", bytes: all, free },
    },
  );
}

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toPrecision(3)} GiB`;
