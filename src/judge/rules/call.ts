/** Checks that hold for any tool. */
import type { StepView } from "../../trajectory/step-views.js";

export function wellFormed(view: StepView): string | undefined {
  if (view.kind === "malformed") return "neither a call nor an answer";
  if (view.kind === "call" && view.call !== undefined && view.call.input.trim() === "")
    return "an empty call";
  if (view.kind === "answer" && view.answer !== undefined && view.answer.trim() === "")
    return "an empty answer";
  return undefined;
}

/** Earlier calls are read from the history, where they stand between tags. */
export function repeatsNothing(view: StepView): string | undefined {
  if (view.kind !== "call" || view.call === undefined) return undefined;
  const input = plain(view.call.input);
  const repeated = view.history.some(({ action }) =>
    taggedTexts(action).some((text) => sameCall(text, input)),
  );
  return repeated ? `the call ${JSON.stringify(view.call.input)} was made before` : undefined;
}

function taggedTexts(action: string): string[] {
  return [...action.matchAll(/<([\w.:-]+)>([\s\S]*?)<\/\1>/g)].map((match) => plain(match[2]!));
}

/** Chat templates put a call's input into a JSON object. */
function sameCall(text: string, input: string): boolean {
  return (
    text === input ||
    (text.startsWith("{") && text.includes(plain(JSON.stringify(input)).slice(1, -1)) && text.includes(input))
  );
}

/** Lower case, one blank between words, no marks at the end. */
export function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/\s+/g, " ")
    .trim()
    .replace(/[\s.?!]+$/, "");
}
