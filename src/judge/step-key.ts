/** A verdict's cache key: SHA-256 over the judge's id and all that the judge may read, independent of key order. */
import { createHash } from "node:crypto";
import type { StepView } from "../trajectory/step-views.js";

export function stepKey(judgeId: string, view: StepView): string {
  const { question, history, action, kind, call, answer, callsLeft } = view;
  const content = [
    judgeId,
    question,
    history.map((turn) => [turn.action, turn.observation ?? null]),
    action,
    kind,
    call ? [call.name, call.input] : null,
    answer ?? null,
    callsLeft,
  ];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}
