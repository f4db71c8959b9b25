/**
 * The arms of the miniature: every policy that is compared, from one base of its seed. What an arm is compared with is in
 * claims.ts, for what the paper says, and in report.ts.
 */
import type { FilterKind } from "swirl-rl";
import type { Job, JobWork, SelectWork, SwirlWork } from "../job.js";
import type { MiniatureSettings } from "./settings.js";
import { HELD_OUT, type HeldOut } from "./testbed.js";

export const FILTERS: readonly FilterKind[] = ["none", "process", "outcome", "both"];
export const GROUP_SIZES = [1, 2, 4, 8] as const;
export const WRONG = [0.1, 0.3] as const;
export const NEAR: readonly HeldOut[] = ["search", "arithmetic"];

export const BASE = "base";
export const SWIRL = "swirl/process";

/** The name of a measurement's job. Actions are sampled as in training, or greedy. */
export function measured(arm: string, questions: HeldOut, greedy = false): string {
  return `measure ${arm} on ${questions}${greedy ? ", greedy" : ""}`;
}

/** Every policy, with the lists it is measured on, and whether it is measured greedy as well. */
export function arms(): { id: string; on: readonly HeldOut[]; greedy: boolean }[] {
  const everywhere = (id: string, greedy = false) => ({ id, on: HELD_OUT, greedy });
  const near = (id: string, greedy = false) => ({ id, on: NEAR, greedy });
  return [
    everywhere(BASE, true),
    ...FILTERS.flatMap((filter) => [everywhere(`sft/${filter}`, true), everywhere(`swirl/${filter}`, true)]),
    near("sft/process, longer"),
    near("swirl/process, shorter", true),
    everywhere("swirl/process, longer", true),
    everywhere("swirl/after SFT", true),
    everywhere("swirl/search only"),
    everywhere("swirl/arithmetic only"),
    near("swirl/small data"),
    near("swirl/large data"),
    everywhere("swirl/outcome reward", true),
    near("swirl/logged actions"),
    ...WRONG.map((rate) => near(wrongArm(rate))),
    near("swirl/30 % wrong, no KL"),
    near("swirl/30 % wrong, KL weight 0.2"),
    everywhere("swirl/no KL"),
    ...GROUP_SIZES.flatMap((size) => (size === 4 ? [] : [near(groupArm(size))])),
    near("swirl/filtered by another judge", true),
    near("swirl/no baseline", true),
    near("swirl/no baseline, longer", true),
    near("swirl/group baseline"),
    ...THOUGHTS.flatMap((kind) => [near(`base/thoughts ${kind}`), near(`swirl/thoughts ${kind}`)]),
  ];
}

export const THOUGHTS = ["kept", "stripped"] as const;
/** The arm with G actions per state; G = 4 is the default. */
export function groupArm(size: (typeof GROUP_SIZES)[number]): string {
  return size === 4 ? SWIRL : `swirl/G = ${size}`;
}
export function wrongArm(rate: (typeof WRONG)[number]): string {
  return `swirl/${100 * rate} % wrong`;
}

export function miniatureJobs(seed: number, settings: MiniatureSettings): Job[] {
  const {
    kept,
    fill,
    keptSmall,
    keptLarge,
    samples,
    imitation,
    sft,
    longSft,
    swirl,
    shortSwirlSteps,
    longSwirlSteps,
  } = settings;
  const jobs: Job[] = [];
  const add = (id: string, work: JobWork) => jobs.push({ id, seed, work });
  const select = (
    id: string,
    rest: Omit<SelectWork, "kind" | "pool" | "count"> & { count?: number; pool?: string },
  ) => add(id, { kind: "select", pool: "pool", count: kept, ...rest, ...(fill ? { fill } : {}) });
  const learn = (id: string, selection: string, rest: Partial<SwirlWork> = {}) =>
    add(id, {
      kind: "swirl",
      policy: BASE,
      selection,
      reward: "judge",
      keepThoughts: true,
      ...rest,
      train: { ...swirl, maxNewTokens: settings.maxNewTokens, ...rest.train },
    });

  add(BASE, { kind: "imitate", demonstrations: "plain", keepThoughts: true, sft: imitation });
  add("pool", { kind: "synthesize", policy: BASE, questions: "train", samples, keepThoughts: true });

  // a. filters
  for (const filter of FILTERS) {
    select(`kept/${filter}`, { filter });
    add(`sft/${filter}`, { kind: "sft", policy: BASE, selection: `kept/${filter}`, sft });
    learn(`swirl/${filter}`, `kept/${filter}`);
  }
  learn("swirl/process, shorter", "kept/process", { train: { steps: shortSwirlSteps } });
  learn("swirl/process, longer", "kept/process", { train: { steps: longSwirlSteps } });
  learn("swirl/after SFT", "kept/both", { policy: "sft/both" });
  add("sft/process, longer", { kind: "sft", policy: BASE, selection: "kept/process", sft: longSft });

  // b. transfer
  for (const [name, kind] of [
    ["search", "lookup"],
    ["arithmetic", "sum"],
  ] as const) {
    select(`kept/${name} only`, { filter: "process", tags: { kind } });
    learn(`swirl/${name} only`, `kept/${name} only`);
  }

  // c. size of the data
  select("kept/small data", { filter: "process", count: keptSmall });
  learn("swirl/small data", "kept/small data");
  select("kept/large data", { filter: "process", count: keptLarge, orAll: true });
  learn("swirl/large data", "kept/large data");

  // e. controls
  learn("swirl/outcome reward", "kept/process", { reward: "outcome" });
  // Of process-filtered actions every reward is 1, and nothing is left to weight: logged actions need the unfiltered pool.
  learn("swirl/logged actions", "kept/none", {
    train: { actions: "logged", samplesPerState: 1, batchSize: swirl.batchSize * swirl.samplesPerState },
  });
  for (const rate of WRONG) {
    select(`kept/${100 * rate} % wrong`, { filter: "process", wrong: rate });
    learn(wrongArm(rate), `kept/${100 * rate} % wrong`, { wrong: rate });
  }
  // The KL term is there for rewards that cannot be trusted.
  for (const [name, klWeight] of [
    ["swirl/30 % wrong, no KL", 0],
    ["swirl/30 % wrong, KL weight 0.2", 0.2],
  ] as const)
    learn(name, "kept/30 % wrong", { wrong: 0.3, train: { klWeight } });
  // The rewarding judge lets the bad steps pass that it overlooks, and would overlook them again.
  select("kept/another judge", { filter: "process", otherJudge: true });
  learn("swirl/filtered by another judge", "kept/another judge");
  learn("swirl/no KL", "kept/process", { train: { klWeight: 0 } });
  // The same number of actions per update for every G, with fewer or more states.
  const actions = swirl.batchSize * swirl.samplesPerState;
  for (const size of GROUP_SIZES) {
    if (size === 4) continue;
    learn(groupArm(size), "kept/process", { train: { samplesPerState: size, batchSize: actions / size } });
  }
  learn("swirl/no baseline", "kept/process", { train: { baseline: "none" } });
  learn("swirl/no baseline, longer", "kept/process", { train: { baseline: "none", steps: longSwirlSteps } });
  learn("swirl/group baseline", "kept/process", { train: { baseline: "group" } });

  // Chains of thought, kept or stripped in states: two bases of their own, for a policy must have seen such states.
  for (const kind of THOUGHTS) {
    const keepThoughts = kind === "kept";
    const base = `base/thoughts ${kind}`;
    add(base, { kind: "imitate", demonstrations: "thinking", keepThoughts, sft: imitation });
    const pool = `pool/thoughts ${kind}`;
    add(pool, { kind: "synthesize", policy: base, questions: "thinking-train", samples, keepThoughts });
    select(`kept/thoughts ${kind}`, { filter: "process", pool, orAll: true });
    learn(`swirl/thoughts ${kind}`, `kept/thoughts ${kind}`, {
      policy: base,
      keepThoughts,
      train: { maxNewTokens: settings.thinkingMaxNewTokens },
    });
  }

  const armOf = new Map(arms().map((arm) => [arm.id, arm]));
  return jobs.flatMap((job) => {
    const { on = [], greedy = false } = armOf.get(job.id) ?? {};
    const keepThoughts = !job.id.endsWith("thoughts stripped");
    const measure = (questions: HeldOut, temperature: number): Job => ({
      id: measured(job.id, questions, temperature === 0),
      seed,
      work: { kind: "measure", policy: job.id, questions, temperature, keepThoughts },
    });
    return [
      job,
      ...on.map((list) => measure(list, 1)),
      ...(greedy ? NEAR.map((list) => measure(list, 0)) : []),
    ];
  });
}
