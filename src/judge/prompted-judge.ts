/**
 * The generative reward model: any policy, prompted to reason about a step and to say GOOD or BAD.
 * The same weights, seed and step give the same verdict, whatever else is judged at the same time.
 */

import { z } from "zod";
import { checkedMethods } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { scoresChoices } from "../policy/choice-scorer.js";
import { type Policy, policySchema } from "../policy/policy.js";
import { deriveSeed } from "../random/derive-seed.js";
import { redactText } from "../secrets/redact.js";
import type { StepView } from "../trajectory/step-views.js";
import { failedVerdict } from "./failed-verdict.js";
import type { Judge, Verdict } from "./judge.js";
import { PROMPT_VERSION, stepPrompt } from "./judge-prompt.js";
import { poll } from "./poll.js";
import { READING_VERSION } from "./reading/read-verdict.js";
import { stepKey } from "./step-key.js";

/** A prompt of your own for {@link PromptedJudge}. */
export interface JudgePrompt {
  /** Part of every verdict's cache key: change it with the wording. */
  id: string;
  /** The messages that ask about a step. */
  messages: (view: StepView) => Message[];
}

const promptSchema = z.custom<JudgePrompt>(
  (value) => {
    const prompt = value as { id?: unknown; messages?: unknown } | null;
    return typeof prompt?.id === "string" && prompt.id !== "" && typeof prompt.messages === "function";
  },
  { message: "must be { id, messages: (step) => Message[] }; the id is part of the verdicts' cache key" },
);

/** How a judge asks its policy: shared by {@link PromptedJudge} and {@link AnswerKeyJudge}. */
export interface JudgeModelOptions {
  /** The model that judges: `await Policy.load(folder)` or `Policy.connect({ … })`. */
  policy: Policy;
  /** Replies per question, 1 … 1024; the score is the share of positive ones. @default 1 */
  votes?: number | undefined;
  /** Sampling temperature, at least 0; 0 = greedy, for one vote only. Default: 0 for one vote, 0.7 for several. */
  temperature?: number | undefined;
  /** Maximum tokens per reply, at least 1. @default 512 */
  maxNewTokens?: number | undefined;
  /** How often a reply whose verdict cannot be read for certain is asked for again, at least 0. @default 2 */
  retries?: number | undefined;
  /**
   * How the score is read. "text": from the words of the reply. "logprobs": the probability of the positive word,
   * relative to both words, where the reply announces its verdict; averaged over the votes. It needs a policy that
   * scores choices.
   * @default "text"
   */
  mode?: "text" | "logprobs" | undefined;
  /** Seed of the sampled replies, an integer. @default 0 */
  seed?: number | undefined;
}

export const pollFields = {
  policy: policySchema,
  votes: z.int().min(1).max(1024).default(1),
  temperature: samplingTemperature.optional(),
  maxNewTokens: z.int().min(1).default(512),
  retries: z.int().min(0).default(2),
  mode: z.enum(["text", "logprobs"]).default("text"),
  seed: z.int().default(0),
};

/** Options of {@link PromptedJudge}. */
export interface PromptedJudgeOptions extends JudgeModelOptions {
  /** The ready-made prompt. "step": a step of a search agent. "math": a step of a calculation. @default "step" */
  criterion?: "step" | "math" | undefined;
  /** Replaces the prompt of `criterion`. The reply to it must end in "Verdict: GOOD" or "Verdict: BAD". */
  prompt?: JudgePrompt | undefined;
  /** A step is GOOD when its score is at least this; above 0, at most 1. @default 0.5 */
  threshold?: number | undefined;
}

export const promptedJudgeSchema = z.strictObject({
  ...pollFields,
  criterion: z.enum(["step", "math"]).default("step"),
  prompt: promptSchema.optional(),
  threshold: z.number().gt(0).max(1).default(0.5),
});

/** Characters of the judge's reasoning that a verdict keeps. */
const REASON_LENGTH = 600;

/**
 * A judge that prompts a model and reads GOOD or BAD from its reply, or from the log-probs of its verdict.
 *
 * @example
 * await using policy = await Policy.load("models/qwen2.5-1.5b-instruct");
 * const judge = new PromptedJudge({ policy, criterion: "math", votes: 5 });
 * const verdict = await judge.judge(stepViews(trajectory)[0]);
 */
export class PromptedJudge implements Judge {
  readonly #options: z.output<typeof promptedJudgeSchema> & { temperature: number };
  readonly #prompt: JudgePrompt;

  /** @throws SwirlError CONFIG for bad options, also for options without effect: several votes at temperature 0. */
  constructor(options: PromptedJudgeOptions) {
    const parsed = parseOptions(promptedJudgeSchema, options, "PromptedJudge");
    if (options.prompt !== undefined && options.criterion !== undefined) {
      throw new SwirlError("CONFIG", "PromptedJudge: prompt replaces criterion, but both are given", {
        remedy: "leave one of them out",
        details: { field: "criterion" },
      });
    }
    this.#options = { ...parsed, temperature: pollTemperature(parsed, "PromptedJudge") };
    const { criterion } = parsed;
    this.#prompt = parsed.prompt ?? {
      id: `${criterion}.v${PROMPT_VERSION}`,
      messages: (view) => stepPrompt(criterion, view),
    };
  }

  /** Names prompt, policy and settings. It changes when the policy is trained: other weights are another judge. */
  get id(): string {
    const { policy, votes, threshold, temperature, maxNewTokens, retries, mode, seed } = this.#options;
    const decoding = { mode, votes, threshold, temperature, maxNewTokens, retries, seed };
    const settings = { ...decoding, reading: READING_VERSION };
    return `prompted/${this.#prompt.id}/${policy.id}/${Object.entries(settings)
      .map(([key, value]) => `${key}=${value}`)
      .join(",")}`;
  }

  /**
   * Asks the model about one step. A reply that cannot be read for certain, after the retries, is a failed verdict.
   *
   * @throws SwirlError ABORTED; CONFIG, CHECKPOINT, DEVICE or DISPOSED when the policy cannot work at all. Other errors
   * become failed verdicts.
   */
  async judge(view: StepView, options: { signal?: AbortSignal } = {}): Promise<Verdict> {
    const seed = deriveSeed("judge", this.#options.seed, stepKey(this.#prompt.id, view));
    try {
      const { threshold, ...polled } = this.#options;
      const messages = this.#prompt.messages(view);
      const shown = [view.question, ...view.history.flatMap(Object.values), view.action].join("\n");
      const result = await poll({ ...polled, ...options, messages, shown, words: ["GOOD", "BAD"], seed });
      if (result.status === "failed") return result;
      const good = result.score >= threshold;
      const typical = result.replies.find((reply) => reply.score >= threshold === good);
      return {
        status: "ok",
        good,
        score: result.score,
        votes: result.votes,
        reason: redactText((typical?.text ?? "").trim()).slice(0, REASON_LENGTH),
      };
    } catch (error) {
      return failedVerdict(error);
    }
  }
}

/** The temperature of the first replies. */
export function pollTemperature(
  options: {
    votes: number;
    temperature?: number | undefined;
    mode: string;
    policy: z.output<typeof policySchema>;
  },
  what: string,
): number {
  const { votes, mode, policy } = options;
  const temperature = options.temperature ?? (votes > 1 ? 0.7 : 0);
  if (votes > 1 && temperature === 0) {
    throw new SwirlError("CONFIG", `${what}: ${votes} votes at temperature 0 are one vote, ${votes} times`, {
      remedy: "raise temperature (0.7), or set votes to 1",
      details: { field: "temperature" },
    });
  }
  if (mode === "logprobs" && !scoresChoices(policy)) {
    throw new SwirlError("CONFIG", `${what}: the policy ${policy.id} gives no log-probs of a choice`, {
      remedy: 'use mode: "text"',
      details: { field: "mode" },
    });
  }
  return temperature;
}

checkedMethods(PromptedJudge, { judge: "(step, options)" });
