/** Checks of a search agent's steps. */
import { words } from "../../tools/search/words.js";
import type { StepView } from "../../trajectory/step-views.js";

/** At least one word of the query that carries meaning occurs in the question or in a result. */
export function queryOnTopic(view: StepView): string | undefined {
  if (view.kind !== "call" || view.call === undefined) return undefined;
  const known = new Set([view.question, ...observations(view)].flatMap(contentWords));
  const words = contentWords(view.call.input);
  return words.length > 0 && !words.some((word) => known.has(word))
    ? "the query shares no word with the question or a result"
    : undefined;
}

/**
 * Every word of the answer that carries meaning occurs in one and the same result. Answers of yes and no, which no
 * result spells out, need a result at all.
 */
export function answerObserved(view: StepView): string | undefined {
  if (view.kind !== "answer" || view.answer === undefined) return undefined;
  const results = observations(view);
  if (results.length === 0) return "an answer before anything was found";
  if (/^(yes|no)\b/i.test(view.answer.trim())) return undefined;
  const words = contentWords(view.answer);
  const found = results.some((result) => {
    const there = new Set(contentWords(result));
    return words.every((word) => there.has(word));
  });
  return found ? undefined : "no result mentions the answer";
}

function observations(view: StepView): string[] {
  return view.history.flatMap(({ observation }) => (observation === undefined ? [] : [observation]));
}

const FUNCTION_WORDS = new Set(
  `a an the of in on at to for from by with and or is are was were be been did do does has have had who whom whose what
  which when where why how that this these those it its as same first s`.split(/\s+/),
);

/** Terms as the search index splits them, so that a query in a script without spaces shares terms with a result. */
function contentWords(text: string): string[] {
  return words(text).filter((word) => !FUNCTION_WORDS.has(word));
}
