/**
 * The published model, with or without format SFT → SWiRL with the process filter and with the outcome filter → controls,
 * each measured on the test questions.
 */
import type { FilterKind } from "swirl-rl";
import type { Job, JobWork, MeasureWork, PolicyId, SwirlWork } from "../job.js";
import type { RealSettings } from "./settings.js";

export const REAL_FILTERS = ["process", "outcome"] as const satisfies readonly FilterKind[];
export const OUTCOME_REWARD = "swirl/outcome reward";

export interface RealArm {
  id: string;
  policy: PolicyId;
  title: string;
}

/** Policies that are not SWiRL's, and what they answer right: what it has to be better than. */
const SFT_CONTROL = "control/sft";
const NO_SIGNAL = "control/no signal";
const VOTED = { majority: "control/majority", judge: "control/best of n" } as const;

/** What SWiRL starts from: the arm that every other is compared with. */
export function startOf({ imitation }: RealSettings): RealArm {
  return imitation
    ? { id: "format SFT", policy: "format SFT", title: "after format SFT" }
    : { id: "untrained", policy: null, title: "untrained" };
}

/** Arms in the order of the table. */
export function realArms(settings: RealSettings): RealArm[] {
  const { outcomeReward, controls, imitation, shots } = settings;
  const start = startOf(settings);
  const swirl = (id: string, title: string) => ({ id, policy: id, title: `after SWiRL, ${title}` });
  const untrained = {
    id: "untrained",
    policy: null,
    title: shots > 0 ? `untrained, ${shots} examples in the prompt` : "untrained",
  };
  return [
    untrained,
    ...(imitation ? [start] : []),
    ...REAL_FILTERS.map((filter) => swirl(`swirl/${filter}`, `${filter} filter`)),
    ...(outcomeReward ? [swirl(OUTCOME_REWARD, "process filter, outcome reward")] : []),
    ...(controls
      ? [
          { id: SFT_CONTROL, policy: SFT_CONTROL, title: "SFT on the same trajectories" },
          { id: NO_SIGNAL, policy: NO_SIGNAL, title: "SWiRL with half of the verdicts flipped" },
          {
            id: VOTED.majority,
            policy: start.policy,
            title: `${start.title}, majority of ${controls.votes}`,
          },
          { id: VOTED.judge, policy: start.policy, title: `${start.title}, best of ${controls.votes}` },
        ]
      : []),
  ];
}

export function realJobs(seed: number, settings: RealSettings): Job[] {
  const jobs: Job[] = [];
  const add = (id: string, work: JobWork) => jobs.push({ id, seed, work });
  const measure = (id: string, policy: PolicyId, more: Partial<MeasureWork> = {}) =>
    add(`measure ${id}`, {
      kind: "measure",
      policy,
      questions: "test",
      temperature: 0,
      keepThoughts: true,
      ...more,
    });
  const { samples, kept: count, fill, imitation, controls } = settings;
  const start = startOf(settings).policy;
  measure("untrained", null);
  if (imitation) {
    add("format SFT", { kind: "imitate", demonstrations: "dataset", keepThoughts: true, sft: imitation });
    measure("format SFT", "format SFT");
  }
  add("pool", { kind: "synthesize", policy: start, questions: "train", samples, keepThoughts: true });
  const learn = (id: string, selection: string, more: Partial<SwirlWork> = {}) => {
    add(id, {
      kind: "swirl",
      policy: start,
      selection,
      train: { ...settings.swirl, maxNewTokens: settings.maxNewTokens },
      reward: "judge",
      keepThoughts: true,
      ...more,
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
    learn(`swirl/${filter}`, `kept/${filter}`);
  }
  if (settings.outcomeReward) learn(OUTCOME_REWARD, "kept/process", { reward: "outcome" });
  if (!controls) return jobs;
  add(SFT_CONTROL, { kind: "sft", policy: start, selection: "kept/process", sft: controls.sft });
  measure(SFT_CONTROL, SFT_CONTROL);
  learn(NO_SIGNAL, "kept/process", { wrong: 0.5 });
  for (const select of ["majority", "judge"] as const)
    measure(VOTED[select], start, { temperature: 0.7, votes: { count: controls.votes, select } });
  return jobs;
}
