/**
 * From a chat.completions reply to actions. Pure; servers differ, and the differences are handled here.
 *
 * Endpoints drop the stop string they stopped at, and say "stop" for it and for end-of-turn alike. `restoreStop`
 * tells them apart: (1) servers that name it (`stop_reason` of vLLM, `matched_stop` of SGLang) are believed;
 * (2) a stop string still in the text ends the action there; (3) a stop string that is a closing tag is what was
 * dropped when its opening tag is the last one left open; (4) otherwise the action ended by itself.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import type { Action } from "./policy.js";

const tokenLogprob = z.looseObject({ token: z.string(), logprob: z.number() });

const choiceSchema = z.looseObject({
  message: z.looseObject({
    content: z.string().nullish(),
    tool_calls: z
      .array(
        z.looseObject({
          id: z.string().nullish(),
          function: z.looseObject({
            name: z.string(),
            arguments: z.union([z.string(), z.record(z.string(), z.unknown())]),
          }),
        }),
      )
      .nullish(),
  }),
  finish_reason: z.string().nullish(),
  stop_reason: z.union([z.string(), z.number()]).nullish(),
  matched_stop: z.union([z.string(), z.number()]).nullish(),
  logprobs: z
    .looseObject({
      content: z.array(tokenLogprob.extend({ top_logprobs: z.array(tokenLogprob).nullish() })).nullish(),
    })
    .nullish(),
});

const replySchema = z.looseObject({
  choices: z.array(choiceSchema).min(1),
  usage: z
    .looseObject({ prompt_tokens: z.number().nullish(), completion_tokens: z.number().nullish() })
    .nullish(),
});

export type Reply = z.infer<typeof replySchema>;
export type ReplyChoice = z.infer<typeof choiceSchema>;

/** Throws code "ENDPOINT" naming the first field that is not as it should be, with what the server said instead. */
export function parseReply(raw: unknown): Reply {
  const parsed = replySchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const said = (JSON.stringify(raw) ?? "nothing").slice(0, 200);
  throw new SwirlError(
    "ENDPOINT",
    `the reply is no chat completion: ${issue.path.join(".")} ${issue.message}: ${said}`,
  );
}

export function actionOf(choice: ReplyChoice, stops: readonly string[]): Action {
  const { text, stopped } = restoreStop(choice, stops);
  const calls = choice.message.tool_calls?.map((call) => ({
    ...(call.id ? { id: call.id } : {}),
    name: call.function.name,
    input:
      typeof call.function.arguments === "string"
        ? call.function.arguments
        : JSON.stringify(call.function.arguments),
  }));
  return {
    text,
    ...(calls && calls.length > 0 ? { toolCalls: calls } : {}),
    finishReason: stopped ? "stop" : choice.finish_reason === "length" ? "length" : "eos",
  };
}

/** The text as a native policy would give it: the stop string that ended it is kept. */
export function restoreStop(
  choice: ReplyChoice,
  stops: readonly string[],
): { text: string; stopped: boolean } {
  const text = choice.message.content ?? "";
  const kept = cutAfterFirst(text, stops);
  if (kept !== undefined) return { text: kept, stopped: true };
  if (stops.length === 0 || choice.finish_reason !== "stop") return { text, stopped: false };
  const named = choice.stop_reason ?? choice.matched_stop;
  if (typeof named === "string" && stops.includes(named)) return { text: text + named, stopped: true };
  if (named !== undefined && named !== null) return { text, stopped: false };
  const closing = openTagsClosedBy(text, stops);
  return closing === undefined ? { text, stopped: false } : { text: text + closing, stopped: true };
}

function cutAfterFirst(text: string, stops: readonly string[]): string | undefined {
  let end = Number.POSITIVE_INFINITY;
  for (const stop of stops) {
    const at = stop === "" ? -1 : text.indexOf(stop);
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
 * Log-probs of `choices` where the reply chose one of them: at position `at` of the tokens' text. The alternatives listed
 * there are summed by choice, in whatever case; a token that fits none is left out. `text` is what precedes the place.
 * Throws code "ENDPOINT" for a log-prob that is none (above 0, or no number).
 */
export function choiceLogprobs(
  tokens: readonly {
    token: string;
    logprob: number;
    top_logprobs?: { token: string; logprob: number }[] | null | undefined;
  }[],
  at: number,
  choices: readonly string[],
): { text: string; logprobs: number[] } | undefined {
  let start = 0;
  for (const token of tokens) {
    const end = start + token.token.length;
    if (at < end) {
      // A choice may begin inside a token (" GOOD", "**GOOD"): what precedes it there must precede it in alternatives.
      const before = token.token.slice(0, at - start).trim();
      const listed = token.top_logprobs?.length ? token.top_logprobs : [token];
      const sums = choices.map(() => 0);
      for (const alternative of listed) {
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

function checkedLogprob({ token, logprob }: { token: string; logprob: number }): number {
  if (typeof logprob === "number" && logprob <= 0) return logprob;
  throw new SwirlError("ENDPOINT", `the reply's log-prob of ${JSON.stringify(token)} is ${logprob}`, {
    remedy: 'log-probs are numbers of at most 0: see what the server sends, or judge with mode: "text"',
    details: { field: "logprobs" },
  });
}
