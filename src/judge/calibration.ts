/**
 * How far a judge can be trusted: its verdicts compared with labels. A false positive is a bad step called GOOD, which
 * training would reward. A false negative is a good step called BAD, which training would lose. Failed verdicts are
 * excluded from all rates and counted separately.
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

/** A step whose quality is known. */
export interface LabelledStep {
  /** Names the step in reports. */
  id: string;
  /** What the judge sees. */
  view: StepView;
  /** The label: whether the step is good. */
  good: boolean;
}

/** `count` of `of`, with a 95 % interval (Wilson). */
export interface Rate {
  /** Cases that count. */
  count: number;
  /** All cases. */
  of: number;
  /** `count / of`, 0 … 1; NaN when `of` is 0. */
  rate: number;
  /** The 95 % Wilson interval of the rate. */
  interval: Interval;
}

/** Error rates of a judge on labeled steps. */
export interface Calibration {
  /** The judge's id. */
  judge: string;
  /** Steps judged, those with a failed verdict included. */
  steps: number;
  /** Bad steps called GOOD, of the bad steps with a verdict. */
  falsePositive: Rate;
  /** Good steps called BAD, of the good steps with a verdict. */
  falseNegative: Rate;
  /** Steps judged as labeled, of all steps with a verdict. */
  accuracy: Rate;
  /** Steps without a verdict. */
  failed: number;
}

/** One judged step of {@link calibrate}. */
export interface CalibrationVerdict {
  /** The labeled step. */
  step: LabelledStep;
  /** What the judge said. */
  verdict: Verdict;
}

/** Options of {@link calibrate}. */
export interface CalibrateOptions {
  /** Steps judged at once, at least 1. @default 8 */
  concurrency?: number | undefined;
  /** Ends the calibration with code ABORTED. */
  signal?: AbortSignal | undefined;
  /** Called for each verdict, in the order in which they arrive. A promise it returns is awaited. */
  onVerdict?: ((event: CalibrationVerdict) => unknown) | undefined;
}

export const calibrateSchema = z.strictObject({
  concurrency: z.int().min(1).default(8),
  signal: signalSchema.optional(),
  onVerdict: callback<CalibrationVerdict>("onVerdict").optional(),
});

/**
 * Measures a judge's error rates on labeled steps, with 95 % intervals.
 *
 * @throws SwirlError CONFIG for bad options or a judge that returns no verdicts, INPUT for a step without a label, ABORTED.
 * @example
 * const steps = await readProcessBench("gsm8k.json", { limit: 100 });
 * const { falsePositive, falseNegative } = await calibrate(judge, steps, { concurrency: 4 });
 */
export async function calibrate(
  judge: Judge,
  steps: Iterable<LabelledStep> | AsyncIterable<LabelledStep>,
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const { concurrency, signal, onVerdict } = parseOptions(calibrateSchema, options, "calibrate");
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

/** A label that is not a boolean, such as "bad", would count as good. */
function requireLabel(step: LabelledStep): void {
  if (typeof step?.good === "boolean" && typeof step.view === "object" && step.view !== null) return;
  throw new SwirlError(
    "INPUT",
    `calibrate: ${redactText(inspect(step)).slice(0, 120)} is not a labeled step`,
    {
      remedy: 'a labeled step is { id: "1", view: stepViews(trajectory)[0], good: false }',
      details: { field: "good" },
    },
  );
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
