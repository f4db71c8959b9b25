/**
 * Which keys of the config each stage uses, and so which may still change in a run's directory: those of stages that
 * have not begun, and those that decide how fast a stage is but not what it computes.
 */
import { statSync } from "node:fs";
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { readJson, writeJson } from "../files/json-file.js";
import type { RunPaths } from "../run-directory/layout.js";
import { changedKeys } from "../run-directory/run-directory.js";
import { redact } from "../secrets/redact.js";
import { type Config, parseConfig } from "./config-schema.js";
import type { WEIGHTS } from "./weights.js";

/** A stage of a run, as `swirl run` and stages.json name it. */
export type StageName =
  | "sft"
  | "synthesize"
  | "judge"
  | "filter"
  | "train"
  | `evaluate ${(typeof WEIGHTS)[number]}`;

const ROLLOUT = ["model", "base", "dtype", "seed", "task", "rollout"];
const EVALUATION = [...ROLLOUT, "questions.test", "judge", "evaluate"];

const USES: Record<StageName, readonly string[]> = {
  sft: [...ROLLOUT, "lora", "sft", "optimizerState"],
  synthesize: [...ROLLOUT, "sft", "questions.train", "synthesize"],
  judge: ["task", "seed", "judge"],
  filter: ["task", "seed", "judge", "filter"],
  train: [...ROLLOUT, "lora", "sft", "rewardJudge", "train", "optimizerState"],
  "evaluate base": EVALUATION,
  "evaluate start": [...EVALUATION, "sft"],
  "evaluate trained": [...EVALUATION, "sft"],
};

/** Keys that change no result. */
const FREE =
  /^(device|threads|memoryBudget|recompute|profile|evaluate\.at|synthesize\.maxFailuresInARow)$|^evaluate\.sets(\.|$)|\.(concurrency|checkpoints|maxTokensPerMicroBatch|maxSkippedUpdates|timeoutMs|deadlineMs|maxRetries|retries|probe|apiKeyVariable|headerVariables)(\.|$)/;

/** The inputs of a run's manifest, by the key that names them. */
const INPUTS: Record<string, string> = {
  model: "model",
  train: "questions.train",
  test: "questions.test",
  sft: "sft",
};

/** Whether a key (dotted, or `inputs.NAME`) may differ from the run's. */
export function mayChange(paths: RunPaths, key: string): boolean {
  const input = /^inputs\.(.*)$/.exec(key)?.[1];
  const named =
    input === undefined ? key : input.startsWith("set ") ? "evaluate.sets" : (INPUTS[input] ?? "task");
  return FREE.test(named) || !begunStages(paths).some((stage) => uses(stage, named));
}

/**
 * For a single command in the directory of a `swirl run`: refuses a config that differs in what this command uses and a
 * stage of the run has used. Where no stage has begun, the directory's config becomes this one.
 */
export async function requireRunConfig(paths: RunPaths, config: Config, stage: StageName): Promise<void> {
  if (sizeOf(paths.manifest) === 0) return; // not a run: single commands only
  const before = await readJson(
    paths.config,
    z.record(z.string(), z.unknown()),
    "it was changed after it was written: use another --output",
  );
  if (before === undefined) return;
  const { output: _, ...rest } = config;
  const now = redact(JSON.parse(JSON.stringify(rest)) as Record<string, unknown>);
  const changed = changedKeys(completeConfig(before), now).filter((key) => uses(stage, key));
  const refused = changed.filter((key) => !mayChange(paths, key));
  if (refused.length > 0)
    throw new SwirlError("CONFIG", `${paths.config} has other values for ${refused.join(", ")}`, {
      remedy: `give the config that the run was made with (-c ${paths.config}), or use another --output`,
      details: { file: paths.config, field: refused[0]! },
    });
  if (changed.length === 0) return;
  const merged = structuredClone(before);
  for (const key of new Set(changed.map((path) => path.split(".")[0]!))) merged[key] = now[key];
  await writeJson(paths.config, merged);
}

/**
 * A resolved config with the defaults of this version in it: one that an earlier version wrote lacks the keys that are
 * new, and they have changed only where they are given another value. What cannot be read stays as it is.
 */
export function completeConfig(old: Record<string, unknown>): Record<string, unknown> {
  try {
    const { output: _, ...rest } = parseConfig(old);
    return redact(JSON.parse(JSON.stringify(rest)) as Record<string, unknown>);
  } catch {
    return old;
  }
}

function uses(stage: StageName, key: string): boolean {
  return USES[stage].some((used) => key === used || key.startsWith(`${used}.`) || used.startsWith(`${key}.`));
}

/** A stage has begun when one of its files exists and is not empty. */
function begunStages(paths: RunPaths): StageName[] {
  const files: Record<StageName, readonly string[]> = {
    sft: [paths.sftMetrics, `${paths.sftCheckpoints}/latest`],
    synthesize: [paths.trajectories],
    judge: [paths.verdicts],
    filter: [paths.kept],
    train: [paths.metrics, `${paths.checkpoints}/latest`],
    "evaluate base": [paths.evaluation("base")],
    "evaluate start": [paths.evaluation("start")],
    "evaluate trained": [paths.evaluation("trained")],
  };
  return (Object.keys(files) as StageName[]).filter((stage) => files[stage].some((file) => sizeOf(file) > 0));
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
