/**
 * Puts one question with two possible verdicts to a policy: once or with several votes, read from its text or from its
 * log-probs. A reply without a verdict is asked for again; one that stays without is a failure, not a "no".
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import { scoresChoices } from "../policy/choice-scorer.js";
import type { Policy } from "../policy/policy.js";
import { deriveSeed } from "../random/derive-seed.js";
import { LEAD } from "./judge-prompt.js";
import { parseVerdict } from "./parse-verdict.js";

export interface PollOptions {
  policy: Policy;
  messages: readonly Message[];
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
const NO_PLACE = Symbol("no verdict");

export async function poll(options: PollOptions): Promise<Poll> {
  const replies: Reply[] = [];
  let last = "";
  for (let round = 0; round <= options.retries && replies.length < options.votes; round++) {
    const missing = options.votes - replies.length;
    const temperature = round === 0 ? options.temperature : Math.max(options.temperature, RETRY_TEMPERATURE);
    const ask = options.mode === "text" ? askText : askLogprobs;
    for (const reply of await ask(options, missing, temperature, round)) {
      if (reply.score === NO_PLACE) last = reply.text;
      else replies.push({ score: reply.score, text: reply.text });
    }
  }
  // A minority of readable votes would decide alone.
  if (replies.length * 2 <= options.votes && replies.length < options.votes) {
    const [positive, negative] = options.words;
    const end = JSON.stringify(last.trim().slice(-100));
    return {
      status: "failed",
      error: `${options.votes - replies.length} of ${options.votes} replies say neither ${positive} nor ${negative} after ${options.retries} retries; one ends: ${end}`,
    };
  }
  const score = replies.reduce((sum, reply) => sum + reply.score, 0) / replies.length;
  return { status: "ok", score, votes: replies.length, replies };
}

type Asked = { score: number | typeof NO_PLACE; text: string };

async function askText(
  options: PollOptions,
  n: number,
  temperature: number,
  round: number,
): Promise<Asked[]> {
  const { policy, messages, maxNewTokens, words, signal } = options;
  const seed = deriveSeed(options.seed, round);
  const sampling = { n, temperature, maxNewTokens, seed, ...(signal ? { signal } : {}) };
  const actions = await policy.act(policy.begin(messages), sampling);
  return actions.map(({ text }) => {
    const verdict = parseVerdict(text, ...words);
    return { text, score: verdict === undefined ? NO_PLACE : Number(verdict) };
  });
}

async function askLogprobs(
  options: PollOptions,
  n: number,
  temperature: number,
  round: number,
): Promise<Asked[]> {
  const { policy, messages, maxNewTokens, words, signal } = options;
  if (!scoresChoices(policy)) {
    throw new SwirlError("CONFIG", `the policy ${policy.id} gives no log-probs of a choice`, {
      remedy: 'judge with mode: "text"',
      details: { field: "mode" },
    });
  }
  const context = policy.begin(messages);
  return await Promise.all(
    Array.from({ length: n }, async (_, vote): Promise<Asked> => {
      const seed = deriveSeed(options.seed, round, vote);
      const sampling = { temperature, maxNewTokens, seed, ...(signal ? { signal } : {}) };
      try {
        const choice = await policy.choose(context, { ...sampling, lead: LEAD, choices: words });
        const [yes, no] = choice.logprobs as [number, number];
        return { text: choice.text, score: 1 / (1 + Math.exp(no - yes)) };
      } catch (error) {
        if (!SwirlError.isInstance(error) || error.details.noChoice !== true) throw error;
        return { text: error.message, score: NO_PLACE };
      }
    }),
  );
}
