/**
 * A job is one piece of a study that is computed once and kept: a policy, a pool of trajectories, a selection of them,
 * a measurement. It is described by plain data, which also names the jobs of the same seed that it builds on.
 */
import type { FilterKind, FilterTable, SftOptions, TrainOptions } from "swirl-rl";

/** The id of a job that makes a policy; null is the policy that the testbed starts with. */
export type PolicyId = string | null;

export type SftSettings = Pick<
  SftOptions,
  "batchSize" | "steps" | "epochs" | "lr" | "schedule" | "warmupSteps" | "beta2"
>;
export type TrainSettings = Pick<
  TrainOptions,
  | "samplesPerState"
  | "batchSize"
  | "steps"
  | "lr"
  | "schedule"
  | "lrFloor"
  | "warmupSteps"
  | "klWeight"
  | "baseline"
  | "actions"
  | "maxNewTokens"
>;

/** SFT on demonstrations: the policy learns the format, and what the demonstrator knows. */
export interface ImitateWork {
  kind: "imitate";
  demonstrations: string;
  keepThoughts: boolean;
  sft: SftSettings;
}
/** Stage 1: trajectories of a policy. */
export interface SynthesizeWork {
  kind: "synthesize";
  policy: PolicyId;
  questions: string;
  samples: number;
  keepThoughts: boolean;
}
/** A filter, then exactly `count` of what passes. */
export interface SelectWork {
  kind: "select";
  pool: string;
  filter: FilterKind;
  count: number;
  /** Takes all where fewer pass, instead of failing. */
  orAll?: boolean;
  /** Fills up with what does not pass: for smoke runs, whose policies get nothing right. */
  fill?: boolean;
  /** Only questions with these tags. */
  tags?: Record<string, string>;
  /** Share of the filter's verdicts that are flipped. */
  wrong?: number;
  /** Filters with the testbed's other judge, not with the one that rewards. */
  otherJudge?: true;
}
/** SFT on a selection. */
export interface SftWork {
  kind: "sft";
  policy: PolicyId;
  selection: string;
  sft: SftSettings;
}
/** Stage 2: step-wise RL on the states of a selection. */
export interface SwirlWork {
  kind: "swirl";
  policy: PolicyId;
  selection: string;
  train: TrainSettings;
  reward: "judge" | "outcome";
  /** Share of the reward's verdicts that are flipped. */
  wrong?: number;
  keepThoughts: boolean;
}
/** One policy on one list of held-out questions. */
export interface MeasureWork {
  kind: "measure";
  policy: PolicyId;
  questions: string;
  /** 0: greedy. */
  temperature: number;
  keepThoughts: boolean;
  /** Trajectories per question, of which one is chosen; absent: one. */
  votes?: { count: number; select: "majority" | "judge" };
}
export type JobWork = ImitateWork | SynthesizeWork | SelectWork | SftWork | SwirlWork | MeasureWork;

export interface Job {
  /** Unique within a seed: "swirl/process", "measure swirl/process on search". */
  id: string;
  seed: number;
  work: JobWork;
}

export interface Share {
  count: number;
  of: number;
}

export interface TrainingFigures {
  updates: number;
  trajectories: number;
  /** Tokens of the sequences trained on, and the rows that were computed for them. */
  tokens: number;
  treeTokens: number;
  firstReward?: number;
  lastReward?: number;
  lastKl?: number;
}
export interface PoolFigures {
  trajectories: number;
  correct: Share;
}
export interface SelectionFigures {
  table: FilterTable;
  kept: number;
}
export interface MeasureFigures {
  /** One character per question, in their order: "1" right, "0" wrong, "-" not decided. */
  answers: string;
  correct: Share;
  /** Steps called GOOD, by judge. "process" is the one that trains. */
  labels: Record<string, Share>;
  callsPerQuestion: number;
  ends: Record<string, number>;
}

export interface FiguresOf {
  imitate: TrainingFigures;
  sft: TrainingFigures;
  swirl: TrainingFigures;
  synthesize: PoolFigures;
  select: SelectionFigures;
  measure: MeasureFigures;
}

export interface JobResult<Kind extends JobWork["kind"] = JobWork["kind"]> {
  version: 1;
  id: string;
  seed: number;
  key: string;
  work: JobWork & { kind: Kind };
  figures: FiguresOf[Kind];
  /** Of all sessions that worked on it. */
  seconds: number;
  processorSeconds: number;
}

/** The jobs a work builds on. */
export function needsOf(work: JobWork): string[] {
  switch (work.kind) {
    case "imitate":
      return [];
    case "select":
      return [work.pool];
    case "synthesize":
    case "measure":
      return work.policy === null ? [] : [work.policy];
    case "sft":
    case "swirl":
      return [...(work.policy === null ? [] : [work.policy]), work.selection];
  }
}
