/**
 * Puts one question with two possible verdicts to a policy: once or with several votes, read from its text or from its
 * log-probs. A reply whose verdict cannot be read for certain is asked for again; a poll that does not get enough
 * verdicts has failed, which is not a "no".
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import { beginContext, sampleActions } from "../policy/ask-policy.js";
import { scoresChoices } from "../policy/choice-scorer.js";
import { opensThought } from "../policy/opens-thought.js";
import type { Context, Policy } from "../policy/policy.js";
import { deriveSeed } from "../random/derive-seed.js";
import { LEAD } from "./judge-prompt.js";
import { readVerdict, type VerdictReading } from "./reading/read-verdict.js";

export interface PollOptions {
  policy: Policy;
  messages: readonly Message[];
  /** The judged text: a verdict that the reply only repeats from it is not the judge's. */
  shown: string;
  words: readonly [positive: string, negative: string];
  votes: number;
  temperature: number;
  maxNewTokens: number;
  retries: number;
  mode: "text" | "logprobs";
  seed: number;
  signal?: AbortSignal;
}

export type Poll =
  | {
      status: "ok" /** share of positive votes, or mean probability of the positive word */;
      score: number;
      votes: number;
      replies: Reply[];
    }
  | { status: "failed"; error: string };

interface Reply {
  score: number; // 0 … 1
  text: string;
}

/** A greedy judge that gave no verdict would give none again: retries are sampled. */
const RETRY_TEMPERATURE = 0.7;

type Unread = Extract<VerdictReading, { status: "unread" }>["why"];
type Asked = Reply | { unread: Unread; text: string };

/** What one poll asks each time. */
interface Ballot extends PollOptions {
  context: Context;
  opened: boolean; // the prompt ends inside a thought
}

export async function poll(options: PollOptions): Promise<Poll> {
  const { policy, messages, mode, retries, votes } = options;
  const context = beginContext(policy, messages);
  const ballot: Ballot = { ...options, context, opened: opensThought(policy, context) };
  const ask = mode === "text" ? askText : askLogprobs;
  const replies: Reply[] = [];
  let last: Exclude<Asked, Reply> = { unread: "silent", text: "" };
  for (let round = 0; round <= retries && replies.length < votes; round++) {
    const missing = votes - replies.length;
    const temperature = round === 0 ? options.temperature : Math.max(options.temperature, RETRY_TEMPERATURE);
    for (const reply of await ask(ballot, missing, temperature, round)) {
      if ("unread" in reply) last = reply;
      else replies.push(reply);
    }
  }
  // A minority of readable votes would decide alone.
  if (replies.length * 2 <= votes && replies.length < votes) {
    return { status: "failed", error: whyFailed(options, votes - replies.length, last) };
  }
  const score = replies.reduce((sum, reply) => sum + reply.score, 0) / replies.length;
  return { status: "ok", score, votes: replies.length, replies };
}

function whyFailed(options: PollOptions, failed: number, last: Exclude<Asked, Reply>): string {
  const { votes, retries, words, maxNewTokens } = options;
  const [positive, negative] = words;
  const why = {
    silent: `say neither ${positive} nor ${negative}`,
    unclear: `do not say for certain which of ${positive} and ${negative} they mean`,
    unfinished: `are unfinished (the likely cause is the token limit: maxNewTokens is ${maxNewTokens}, raise it)`,
  }[last.unread];
  const end = last.text.trim() === "" ? "is empty" : `ends: ${JSON.stringify(last.text.trim().slice(-100))}`;
  return `${failed} of ${votes} replies ${why} after ${retries} retries; one ${end}`;
}

async function askText(ballot: Ballot, n: number, temperature: number, round: number): Promise<Asked[]> {
  const { policy, context, maxNewTokens, words, signal, opened, shown } = ballot;
  const seed = deriveSeed(ballot.seed, round);
  const sampling = { n, temperature, maxNewTokens, seed, ...(signal ? { signal } : {}) };
  const actions = await sampleActions(policy, context, sampling);
  return actions.map(({ text, finishReason }) => {
    const finished = finishReason === "stop" || finishReason === "eos";
    const reading = readVerdict({ text, finished, opened, shown }, words);
    return reading.status === "read"
      ? { text, score: Number(reading.positive) }
      : { text, unread: reading.why };
  });
}

async function askLogprobs(ballot: Ballot, n: number, temperature: number, round: number): Promise<Asked[]> {
  const { policy, context, maxNewTokens, words, signal, opened, shown } = ballot;
  if (!scoresChoices(policy)) {
    throw new SwirlError("CONFIG", `the policy ${policy.id} gives no log-probs of a choice`, {
      remedy: 'judge with mode: "text"',
      details: { field: "mode" },
    });
  }
  // After "not" the probabilities would be those of the opposite.
  const find = (text: string) => {
    const reading = readVerdict({ text, finished: true, opened, shown }, words);
    return reading.status === "read" && !reading.negated ? reading.at : undefined;
  };
  return await Promise.all(
    Array.from({ length: n }, async (_, vote): Promise<Asked> => {
      const seed = deriveSeed(ballot.seed, round, vote);
      const sampling = { temperature, maxNewTokens, seed, ...(signal ? { signal } : {}) };
      try {
        const choice = await policy.choose(context, { ...sampling, lead: LEAD, choices: words, find });
        const { text, finished = true } = choice;
        return finished ? { text, score: scoreOf(choice.logprobs, policy) } : { text, unread: "unfinished" };
      } catch (error) {
        if (!SwirlError.isInstance(error) || error.details.noChoice !== true) throw error;
        return { text: String(error.details.reply ?? error.message), unread: "unclear" };
      }
    }),
  );
}

/** P(positive) against P(negative). Log-probs are at most 0; anything else is a fault of the server or the policy. */
function scoreOf(logprobs: readonly number[], policy: Policy): number {
  const [yes, no] = logprobs as [number, number];
  const score = 1 / (1 + Math.exp(no - yes));
  if (logprobs.length === 2 && yes <= 0 && no <= 0 && score >= 0 && score <= 1) return score;
  throw new SwirlError("ENDPOINT", `${policy.id}: the verdict's log-probs are [${logprobs.join(", ")}]`, {
    remedy: 'log-probs are two numbers of at most 0, not both -Infinity; or judge with mode: "text"',
  });
}
