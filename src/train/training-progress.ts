/**
 * Progress of a training run, saved with the weights: everything that a resumed run needs besides the data, the options
 * and the seed. The cursor is the last trained step; random numbers are counter-based and have no state.
 */

import { join } from "node:path";
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { writeFileDurable } from "../files/atomic-write.js";
import { readJson } from "../files/json-file.js";
import type { TrainerPolicy } from "../policy/trainer-policy.js";
import { findCheckpoint, saveCheckpoint } from "./checkpoint.js";
import { type CheckpointOptions, FREE_KEYS } from "./optimizer-options.js";

const PROGRESS_VERSION = 1;
const FILE = "progress.json";
/** Of a policy that names none. */
const OPTIMIZER = "optimizer.safetensors";

const progressSchema = z.strictObject({
  version: z.literal(PROGRESS_VERSION),
  stage: z.enum(["train", "sft"]),
  step: z.int().min(0),
  tokens: z.int().min(0),
  treeTokens: z.int().min(0),
  skippedUpdates: z.int().min(0),
  judgeFailures: z.int().min(0),
  runningBaseline: z.strictObject({ mean: z.number(), weight: z.number() }),
  /** The options and the data that determine the result: a run is not resumed with others. */
  setup: z.record(z.string(), z.unknown()),
});

export type TrainingProgress = Omit<z.infer<typeof progressSchema>, "version">;

export function newProgress(
  stage: TrainingProgress["stage"],
  setup: Record<string, unknown>,
): TrainingProgress {
  return {
    stage,
    step: 0,
    tokens: 0,
    treeTokens: 0,
    skippedUpdates: 0,
    judgeFailures: 0,
    runningBaseline: { mean: 0, weight: 0 },
    setup,
  };
}

/** The options that determine the result, with the data's fingerprint, as they are compared on resume. */
export function setupOf(options: Record<string, unknown>, data: string): Record<string, unknown> {
  const entries = Object.entries(options).filter(
    ([key, value]) => !FREE_KEYS.has(key) && value !== undefined,
  );
  return JSON.parse(JSON.stringify({ ...Object.fromEntries(entries), data })) as Record<string, unknown>;
}

/** Saves weights (Hugging Face layout), optimizer state and progress as one checkpoint. */
export async function saveProgress(
  policy: TrainerPolicy,
  progress: TrainingProgress,
  options: CheckpointOptions,
): Promise<void> {
  await saveCheckpoint({
    root: options.folder,
    step: progress.step,
    keep: options.keep,
    fill: async (folder) => {
      await policy.save(folder, options.dtype ? { dtype: options.dtype } : {});
      await policy.saveOptimizer(join(folder, policy.stateFile ?? OPTIMIZER));
      await writeFileDurable(
        join(folder, FILE),
        `${JSON.stringify({ version: PROGRESS_VERSION, ...progress }, null, 2)}\n`,
      );
    },
  });
}

/** Undefined when the file does not exist. @throws SwirlError RECORD, with `remedy`. */
export function readProgress(file: string, remedy: string): Promise<TrainingProgress | undefined> {
  return readJson(file, progressSchema, remedy);
}

/** Restores the policy from the newest intact checkpoint. Returns `fresh` when there is none. */
export async function resumeProgress(
  policy: TrainerPolicy,
  fresh: TrainingProgress,
  options: CheckpointOptions & {
    /** Values of the options that a checkpoint of an earlier version does not have. */
    defaults: Record<string, unknown>;
  },
  note: (text: string) => void,
): Promise<TrainingProgress> {
  const found = await findCheckpoint({
    root: options.folder,
    onProblem: (folder, problem) => note(`checkpoint ${folder} is skipped: ${problem}`),
  });
  if (!found) return fresh;
  const file = join(found.folder, FILE);
  const saved = await readProgress(
    file,
    `it is damaged, or of another version of swirl-rl: delete ${found.folder} to resume from the checkpoint before it`,
  );
  if (!saved)
    throw new SwirlError(
      "CHECKPOINT",
      `${found.folder} holds no ${FILE}: it is not a checkpoint of ${fresh.stage}`,
      {
        remedy: "use another folder for checkpoints",
        details: { file },
      },
    );
  const changed = changedKeys({ ...known(options.defaults, fresh.setup), ...saved.setup }, fresh.setup);
  if (saved.stage !== fresh.stage || changed.length > 0)
    throw new SwirlError(
      "CONFIG",
      saved.stage === fresh.stage
        ? `${fresh.stage}: the checkpoint ${found.folder} was made with other options: ${changed.join("; ")}`
        : `${fresh.stage}: the checkpoint ${found.folder} is from ${saved.stage}`,
      {
        remedy: "resume with the options it was made with, or use another folder for checkpoints",
        details: { file, field: "checkpoints.folder" },
      },
    );
  await policy.loadOptimizer(join(found.folder, policy.stateFile ?? OPTIMIZER));
  note(`resuming after ${saved.step} updates, from ${found.folder}`);
  return saved;
}

/** The defaults of options that the present setup has: an option that is not in use is not compared. */
function known(defaults: Record<string, unknown>, setup: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(defaults).filter(([key]) => key in setup));
}

function changedKeys(before: Record<string, unknown>, now: Record<string, unknown>): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return keys.flatMap((key) => {
    const [a, b] = [JSON.stringify(before[key]), JSON.stringify(now[key])];
    if (a === b) return [];
    return [key === "data" ? "the trajectories are different" : `${key} was ${a}, is ${b}`];
  });
}
