/**
 * How far a judge can be trusted: its verdicts against labels of known truth. A false positive is a bad step called
 * GOOD (it gets rewarded), a false negative a good step called BAD (it gets lost). Failed verdicts are counted apart
 * and are in neither rate.
 */
import { inspect } from "node:util";
import { z } from "zod";
import { mapConcurrent } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { redactText } from "../secrets/redact.js";
import { type Interval, wilsonInterval } from "../statistics/interval.js";
import type { StepView } from "../trajectory/step-views.js";
import { askJudge } from "./ask-judge.js";
import type { Judge, Verdict } from "./judge.js";
import { judgeSchema } from "./judge.js";

export interface LabelledStep {
  id: string;
  view: StepView;
  good: boolean; // the truth
}

/** `count` of `of`, with a 95 % interval (Wilson). */
export interface Rate {
  count: number;
  of: number;
  rate: number; // NaN when `of` is 0
  interval: Interval;
}

export interface Calibration {
  judge: string;
  steps: number;
  falsePositive: Rate; // of the bad steps
  falseNegative: Rate; // of the good steps
  accuracy: Rate; // of all steps with a verdict
  failed: number;
}

const optionsSchema = z.strictObject({
  concurrency: z.int().min(1).default(8),
  signal: signalSchema.optional(),
  onVerdict: callback<{ step: LabelledStep; verdict: Verdict }>("onVerdict").optional(),
});

export async function calibrate(
  judge: Judge,
  steps: Iterable<LabelledStep> | AsyncIterable<LabelledStep>,
  options: z.input<typeof optionsSchema> = {},
): Promise<Calibration> {
  const { concurrency, signal, onVerdict } = parseOptions(optionsSchema, options, "calibrate");
  parseOptions(z.strictObject({ judge: judgeSchema }), { judge }, "calibrate");
  const ask = async (step: LabelledStep, inner: AbortSignal) => {
    requireLabel(step);
    return { step, verdict: await askJudge(judge, step.view, inner) };
  };
  const outcomes: Outcome[] = [];
  for await (const judged of mapConcurrent(steps, concurrency, ask, signal)) {
    await onVerdict?.(judged);
    outcomes.push({ truth: judged.step.good, verdict: judged.verdict });
  }
  return { judge: judge.id, ...rates(outcomes) };
}

/** A label that is no boolean, such as "bad", would count as good. */
function requireLabel(step: LabelledStep): void {
  if (typeof step?.good === "boolean" && typeof step.view === "object" && step.view !== null) return;
  throw new SwirlError("INPUT", `calibrate: ${redactText(inspect(step)).slice(0, 120)} is no labelled step`, {
    remedy: 'a labelled step is { id: "1", view: stepViews(trajectory)[0], good: false }',
    details: { field: "good" },
  });
}

interface Outcome {
  truth: boolean;
  verdict: Verdict;
}

export function rates(outcomes: readonly Outcome[]): Omit<Calibration, "judge"> {
  const given = outcomes.flatMap(({ truth, verdict }) =>
    verdict.status === "ok" ? [{ truth, good: verdict.good }] : [],
  );
  const bad = given.filter(({ truth }) => !truth);
  const good = given.filter(({ truth }) => truth);
  return {
    steps: outcomes.length,
    falsePositive: rateOf(bad.filter((one) => one.good).length, bad.length),
    falseNegative: rateOf(good.filter((one) => !one.good).length, good.length),
    accuracy: rateOf(given.filter((one) => one.truth === one.good).length, given.length),
    failed: outcomes.length - given.length,
  };
}

function rateOf(count: number, of: number): Rate {
  return { count, of, rate: count / of, interval: wilsonInterval(count, of) };
}
