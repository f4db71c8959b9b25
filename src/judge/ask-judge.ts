/**
 * Asks a judge about one step. Every verdict enters the package here, whoever wrote the judge.
 *
 * Accepted: a Verdict; true or false; a score from 0 to 1, which is GOOD from 0.5. A judge that throws, rejects or does
 * not return a promise gives a failed verdict. Any other value is a mistake in the judge. If the judge has never
 * returned a verdict, that is a CONFIG error that shows the expected shape. Later it is a failed verdict, because a judge
 * that is wrong once in a thousand steps must not end the run.
 */
import { inspect } from "node:util";
import { throwIfAborted } from "../async/map-concurrent.js";
import { untilAborted } from "../async/until-aborted.js";
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";
import type { StepView } from "../trajectory/step-views.js";
import { failedVerdict } from "./failed-verdict.js";
import type { Judge, Verdict } from "./judge.js";
import { asVerdict, VERDICT_SHAPE } from "./judged-trajectory.js";

/** Judges that have returned a verdict of the right shape. */
const proven = new WeakSet<object>();

/** @throws SwirlError ABORTED as soon as the signal is aborted, even if the judge ignores it; CONFIG as above. */
export async function askJudge(judge: Judge, view: StepView, signal?: AbortSignal): Promise<Verdict> {
  return await askForVerdict(judge, "judge()", signal, () => judge.judge(view, signal ? { signal } : {}));
}

/** The same for a judge or reward `source`; `ask` calls its method `what`. */
export async function askForVerdict(
  source: { readonly id: string },
  what: string,
  signal: AbortSignal | undefined,
  ask: () => unknown,
): Promise<Verdict> {
  throwIfAborted(signal);
  try {
    const promise = ask();
    if (typeof (promise as PromiseLike<unknown> | undefined)?.then !== "function") {
      throw new SwirlError("INPUT", `${what} of ${source.id} returned ${shown(promise)}, not a promise`, {
        remedy: `make it an async function that returns ${VERDICT_SHAPE}`,
      });
    }
    const value = await untilAborted(Promise.resolve(promise), signal);
    const verdict = asVerdict(value);
    if (verdict === undefined) throw wrongShape(source, what, value);
    proven.add(source);
    return verdict;
  } catch (error) {
    throwIfAborted(signal);
    return failedVerdict(error);
  }
}

function wrongShape(source: { readonly id: string }, what: string, value: unknown): SwirlError {
  const code = proven.has(source) ? "INPUT" : "CONFIG";
  return new SwirlError(code, `${what} of ${source.id} returned ${shown(value)}, which is not a verdict`, {
    remedy: `return ${VERDICT_SHAPE}`,
    details: { field: "judge" },
  });
}

function shown(value: unknown): string {
  return redactText(inspect(value, { depth: 2, breakLength: Number.POSITIVE_INFINITY })).slice(0, 120);
}
