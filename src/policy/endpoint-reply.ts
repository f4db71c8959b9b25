/**
 * Converts a chat.completions reply to actions and scores. Pure.
 *
 * Endpoints drop the stop string they stopped at, and say "stop" for it and for end-of-turn alike. `restoreStop`
 * tells them apart: (1) servers that name it (`stop_reason` of vLLM, `matched_stop` of SGLang) are trusted;
 * (2) a stop string still in the text ends the action there; (3) a stop string that is a closing tag is what was
 * dropped when its opening tag is the last one left open; (4) otherwise the action ended by itself.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { maskThoughts } from "../messages/thought.js";
import { hideSecrets } from "../secrets/known-secrets.js";
import type { Action } from "./policy.js";
import type { ReplyChoice, TokenLogprob } from "./read-reply.js";

/** `stopSent`: whether the request contained the stop strings. If not, they end the action only here. */
export function actionOf(choice: ReplyChoice, stops: readonly string[], stopSent = true): Action {
  const { text, stopped } = restoreStop(choice, stops, stopSent);
  const calls = choice.toolCalls.map((call) => ({
    ...call,
    name: hideSecrets(call.name),
    input: hideSecrets(call.input),
  }));
  return {
    text: hideSecrets(text),
    ...(calls.length > 0 ? { toolCalls: calls } : {}),
    finishReason: stopped ? "stop" : choice.finish === "length" ? "length" : "eos",
  };
}

/** The text as a native policy would return it: the stop string that ended it is kept. */
export function restoreStop(
  choice: Pick<ReplyChoice, "text" | "finish" | "stoppedBy">,
  stops: readonly string[],
  stopSent = true,
): { text: string; stopped: boolean } {
  const { text, stoppedBy } = choice;
  const kept = cutAfterFirst(text, stops);
  if (kept !== undefined) return { text: kept, stopped: true };
  if (stops.length === 0 || !stopSent || choice.finish !== "stop") return { text, stopped: false };
  if (typeof stoppedBy === "string" && stops.includes(stoppedBy))
    return { text: text + stoppedBy, stopped: true };
  if (stoppedBy !== undefined) return { text, stopped: false };
  const closing = openTagsClosedBy(text, stops);
  return closing === undefined ? { text, stopped: false } : { text: text + closing, stopped: true };
}

/** Whether a choice stopped inside a thought, where a stop string does not end the action. */
export function stoppedInThought(choice: ReplyChoice, stops: readonly string[]): boolean {
  if (choice.finish !== "stop" || stops.length === 0 || choice.toolCalls.length > 0) return false;
  const { text, stopped } = restoreStop(choice, stops);
  return stopped && maskThoughts(text).unclosed;
}

function cutAfterFirst(text: string, stops: readonly string[]): string | undefined {
  const said = maskThoughts(text).text;
  let end = Number.POSITIVE_INFINITY;
  for (const stop of stops) {
    const at = stop === "" ? -1 : said.indexOf(stop);
    if (at >= 0) end = Math.min(end, at + stop.length);
  }
  return Number.isFinite(end) ? text.slice(0, end) : undefined;
}

/** The stop string `</tag>` whose `<tag>` was opened last and never closed. */
function openTagsClosedBy(text: string, stops: readonly string[]): string | undefined {
  let last = -1;
  let found: string | undefined;
  for (const stop of stops) {
    const name = /^<\/([\w.:-]+)>\s*$/.exec(stop)?.[1];
    if (name === undefined) continue;
    const opened = text.lastIndexOf(`<${name}>`);
    if (opened > last) {
      last = opened;
      found = stop;
    }
  }
  return found;
}

/**
/**
 * Log-probs of `choices` where the reply chose one of them: at position `at` of the tokens' text. The alternatives
 * listed there are summed by choice, in whatever case; a token that fits none is ignored. `text` is what precedes the
 * place.
 *
 * Throws code "ENDPOINT" when the server lists no alternatives there, or reports something that is not a log-prob
 * (null, above 0) for one of the choices: a comparison needs both.
 */
export function choiceLogprobs(
  tokens: readonly TokenLogprob[],
  at: number,
  choices: readonly string[],
): { text: string; logprobs: number[] } | undefined {
  let start = 0;
  for (const token of tokens) {
    const end = start + token.token.length;
    if (at < end) {
      if (token.alternatives.length === 0)
        throw unreadable(`the server lists no alternatives to the token ${JSON.stringify(token.token)}`);
      // A choice may begin inside a token (" GOOD", "**GOOD"): what precedes it there must precede it in alternatives.
      const before = token.token.slice(0, at - start).trim();
      const sums = choices.map(() => 0);
      for (const alternative of token.alternatives) {
        const trimmed = alternative.token.trim();
        const word = trimmed.startsWith(before) ? trimmed.slice(before.length).trim() : "";
        const fits = choices.flatMap((choice, i) => (isBeginning(word, choice) ? [i] : []));
        if (fits.length === 1) sums[fits[0]!]! += Math.exp(checkedLogprob(alternative));
      }
      const text = tokens.map((one) => one.token).join("");
      // A sum of probabilities may be above 1 by rounding.
      return { text: text.slice(0, at), logprobs: sums.map((sum) => Math.min(0, Math.log(sum))) };
    }
    start = end;
  }
  return undefined;
}

/** Whether a token begins the choice, or is the choice and what follows it ("GOOD."). */
function isBeginning(token: string, choice: string): boolean {
  const [word, wanted] = [token.toUpperCase(), choice.toUpperCase()];
  if (word === "") return false;
  return wanted.startsWith(word) || (word.startsWith(wanted) && !/^\p{L}/u.test(word.slice(wanted.length)));
}

function checkedLogprob({ token, logprob }: { token: string; logprob: number | undefined }): number {
  if (logprob !== undefined && logprob <= 0) return logprob;
  throw unreadable(`the reply's log-prob of ${JSON.stringify(token)} is ${logprob ?? "not a number"}`);
}

function unreadable(message: string): SwirlError {
  return new SwirlError("ENDPOINT", message, {
    remedy: 'log-probs are numbers of at most 0: check what the server sends, or judge with mode: "text"',
    details: { field: "logprobs" },
  });
}
