/** Base → format SFT → SWiRL with the process filter and with the outcome filter, each measured on the test questions. */
import type { FilterKind } from "swirl-rl";
import type { Job, JobWork, PolicyId, SwirlWork } from "../job.js";
import type { RealSettings } from "./settings.js";

export const REAL_FILTERS = ["process", "outcome"] as const satisfies readonly FilterKind[];
export const OUTCOME_REWARD = "swirl/outcome reward";

export interface RealArm {
  id: string;
  policy: PolicyId;
  title: string;
}

/** Policies in the order of the table; the first two are not trained by SWiRL. */
export function realArms({ outcomeReward }: RealSettings): RealArm[] {
  const swirl = (id: string, title: string) => ({ id, policy: id, title: `after SWiRL, ${title}` });
  return [
    { id: "untrained", policy: null, title: "untrained" },
    { id: "format SFT", policy: "format SFT", title: "after format SFT" },
    ...REAL_FILTERS.map((filter) => swirl(`swirl/${filter}`, `${filter} filter`)),
    ...(outcomeReward ? [swirl(OUTCOME_REWARD, "process filter, outcome reward")] : []),
  ];
}

export function realJobs(seed: number, settings: RealSettings): Job[] {
  const jobs: Job[] = [];
  const add = (id: string, work: JobWork) => jobs.push({ id, seed, work });
  const measure = (id: string, policy: PolicyId) =>
    add(`measure ${id}`, { kind: "measure", policy, questions: "test", temperature: 0, keepThoughts: true });
  measure("untrained", null);
  add("format SFT", {
    kind: "imitate",
    demonstrations: "dataset",
    keepThoughts: true,
    sft: settings.imitation,
  });
  measure("format SFT", "format SFT");
  const { samples, kept: count, fill } = settings;
  add("pool", { kind: "synthesize", policy: "format SFT", questions: "train", samples, keepThoughts: true });
  const learn = (id: string, selection: string, reward: SwirlWork["reward"]) => {
    add(id, {
      kind: "swirl",
      policy: "format SFT",
      selection,
      train: { ...settings.swirl, maxNewTokens: settings.maxNewTokens },
      reward,
      keepThoughts: true,
    });
    measure(id, id);
  };
  for (const filter of REAL_FILTERS) {
    add(`kept/${filter}`, {
      kind: "select",
      pool: "pool",
      filter,
      count,
      ...(fill ? { fill } : { orAll: true }),
    });
    learn(`swirl/${filter}`, `kept/${filter}`, "judge");
  }
  if (settings.outcomeReward) learn(OUTCOME_REWARD, "kept/process", "outcome");
  return jobs;
}
