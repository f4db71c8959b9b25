/**
 * A row of the table of trajectories: the part of a record that is needed to show, search, sort and filter it. The
 * whole record is read again, by its place in the file, when it is opened. Pure.
 */
import { z } from "zod";
import type { Verdict } from "../judge/judge.js";
import { stepKey } from "../judge/step-key.js";
import { stepViews } from "../trajectory/step-views.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import type { LinePlace } from "./jsonl-tail.js";

/** Maximum characters of a text that a row keeps. */
const KEPT_CHARACTERS = 300;
/** An answer and its gold answers are not compared beyond this many characters. */
const COMPARED_CHARACTERS = 4000;

/** Verdict of one step: G good, B bad, F the judgment failed, "-" not judged. */
export type StepMark = "G" | "B" | "F" | "-";

export interface TrajectoryRow {
  place: LinePlace;
  id: string;
  questionId: string;
  sample: number;
  question: string;
  answer: string | undefined;
  end: string;
  steps: number;
  calls: number;
  malformed: number;
  /** Sampled tokens; undefined for a policy without tokens. */
  tokens: number | undefined;
  milliseconds: number;
  /** Names of the tools that were called. */
  tools: string[];
  /** For an evaluation: as recorded. For a trajectory: undefined, see `candidate`. */
  correct: boolean | null | undefined;
  /** Input of the matcher; undefined for an evaluation, and if there is nothing to compare. */
  candidate: { answer: string; gold: string[] } | undefined;
  /** For an evaluation: the verdicts in its record. */
  marks: StepMark[] | undefined;
  /** For an evaluation: its matcher and its judge. */
  matcher: string | undefined;
  judge: string | undefined;
  /** Per judge, the key of each step in the journal of verdicts. */
  keys: Map<string, string[]>;
  /** Lower-case text to search in. */
  search: string;
}

/** Reads only the fields it needs, so that a record of another version still has a row. */
const stepShape = z.looseObject({
  text: z.string(),
  kind: z.enum(["call", "answer", "malformed"]),
  action: z.array(z.number()).default([]),
  call: z.object({ name: z.string(), input: z.string() }).optional(),
});
const trajectoryShape = z.looseObject({
  id: z.string(),
  questionId: z.string(),
  question: z.string(),
  gold: z.array(z.string()).default([]),
  sample: z.number().default(0),
  callLimit: z.number().default(0),
  steps: z.array(stepShape),
  end: z.string(),
  answer: z.string().optional(),
  milliseconds: z.number().default(0),
});
const evaluationShape = z.looseObject({
  id: z.string(),
  matcher: z.string(),
  correct: z.boolean().nullable(),
  judge: z.string().optional(),
  verdicts: z.array(z.looseObject({ status: z.string() })).optional(),
  trajectory: trajectoryShape,
});

/** The kind of a line of JSONL. */
export function kindOf(value: unknown): "trajectory" | "evaluation" | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ("correct" in value && "trajectory" in value) return "evaluation";
  return "steps" in value && "questionId" in value ? "trajectory" : undefined;
}

/** The row of a record, or the reason why it has none. */
export function rowOf(value: unknown, place: LinePlace, judges: readonly string[]): TrajectoryRow | string {
  if (kindOf(value) === "evaluation") {
    const parsed = evaluationShape.safeParse(value);
    if (!parsed.success) return problem(parsed.error);
    const { trajectory, correct, matcher, judge, verdicts } = parsed.data;
    return {
      ...base(trajectory, place),
      correct,
      candidate: undefined,
      matcher,
      judge,
      marks: verdicts?.map((verdict) => markOf(verdict as unknown as Verdict)),
      keys: new Map(),
    };
  }
  const parsed = trajectoryShape.safeParse(value);
  if (!parsed.success) return problem(parsed.error);
  const trajectory = parsed.data;
  const { answer, gold } = trajectory;
  const characters = gold.reduce((sum, text) => sum + text.length, answer?.length ?? 0);
  const comparable = answer !== undefined && gold.length > 0 && characters <= COMPARED_CHARACTERS;
  return {
    ...base(trajectory, place),
    correct: undefined,
    candidate: comparable ? { answer, gold } : undefined,
    matcher: undefined,
    judge: undefined,
    marks: undefined,
    keys: new Map(judges.map((judge) => [judge, stepKeys(judge, value as Trajectory)])),
  };
}

/** The key of each step in the journal. Empty when the record is not a complete trajectory. */
export function stepKeys(judge: string, trajectory: Trajectory): string[] {
  try {
    return stepViews(trajectory).map((view) => shortKey(stepKey(judge, view)));
  } catch {
    return [];
  }
}

/**
 * 80 of a key's 256 bits, so that a journal of a million verdicts fits into memory; a collision is practically
 * impossible.
 */
export function shortKey(key: string): string {
  return key.slice(0, 20);
}

export function markOf(verdict: Verdict): StepMark {
  return verdict.status !== "ok" ? "F" : verdict.good ? "G" : "B";
}

function base(trajectory: z.output<typeof trajectoryShape>, place: LinePlace) {
  const { steps, answer, question } = trajectory;
  const calls = steps.flatMap((step) => (step.call ? [step.call] : []));
  const tokens = steps.reduce((sum, step) => sum + step.action.length, 0);
  return {
    place,
    id: cut(trajectory.id),
    questionId: trajectory.questionId,
    sample: trajectory.sample,
    question: cut(question),
    answer: answer === undefined ? undefined : cut(answer),
    end: trajectory.end,
    steps: steps.length,
    calls: calls.length,
    malformed: steps.filter((step) => step.kind === "malformed").length,
    tokens: tokens === 0 && steps.length > 0 ? undefined : tokens,
    milliseconds: trajectory.milliseconds,
    tools: [...new Set(calls.map(({ name }) => cut(name)))],
    search: [trajectory.id, question, answer ?? "", ...calls.map(({ input }) => input)]
      .map((text) => text.slice(0, KEPT_CHARACTERS))
      .join("\n")
      .toLowerCase()
      .slice(0, 4 * KEPT_CHARACTERS),
  };
}

function cut(text: string): string {
  return text.length > KEPT_CHARACTERS ? `${text.slice(0, KEPT_CHARACTERS)}…` : text;
}

function problem(error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return `${path.join(".") || "the record"}: ${message}`;
}
