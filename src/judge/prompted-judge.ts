/**
 * The generative reward model: any policy, only prompted, that reasons about a step and says GOOD or BAD.
 * The same step gives the same verdict for the same weights and seed, whatever else is judged beside it.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { scoresChoices } from "../policy/choice-scorer.js";
import { policySchema } from "../policy/policy.js";
import { deriveSeed } from "../random/derive-seed.js";
import { redactText } from "../secrets/redact.js";
import type { StepView } from "../trajectory/step-views.js";
import { failedVerdict } from "./failed-verdict.js";
import type { Judge, Verdict } from "./judge.js";
import { PROMPT_VERSION, stepPrompt } from "./judge-prompt.js";
import { poll } from "./poll.js";
import { READING_VERSION } from "./reading/read-verdict.js";
import { stepKey } from "./step-key.js";

const promptSchema = z.custom<{ id: string; messages: (view: StepView) => Message[] }>(
  (value) => {
    const prompt = value as { id?: unknown; messages?: unknown } | null;
    return typeof prompt?.id === "string" && prompt.id !== "" && typeof prompt.messages === "function";
  },
  { message: "must be { id, messages: (step) => Message[] }; the id goes into the verdicts' cache key" },
);

/** Options that every prompted judge shares. */
export const pollFields = {
  policy: policySchema,
  /** Replies asked for; their share of positive ones is the score. */
  votes: z.int().min(1).max(1024).default(1),
  /** Default 0 for one vote, 0.7 for several. */
  temperature: samplingTemperature.optional(),
  maxNewTokens: z.int().min(1).default(512),
  /** How often a reply whose verdict cannot be read for certain is asked for again. */
  retries: z.int().min(0).default(2),
  /** "logprobs": the score is P(GOOD) against BAD where the judge announces which, averaged over the votes. */
  mode: z.enum(["text", "logprobs"]).default("text"),
  seed: z.int().default(0),
};

const optionsSchema = z.strictObject({
  ...pollFields,
  /** "step": a search agent's step. "math": a step of a calculation. */
  criterion: z.enum(["step", "math"]).default("step"),
  /** Replaces the criterion's prompt. Its reply must end in "Verdict: GOOD" or "Verdict: BAD". */
  prompt: promptSchema.optional(),
  /** A score of at least this much is GOOD. */
  threshold: z.number().gt(0).max(1).default(0.5),
});

export type PromptedJudgeOptions = z.input<typeof optionsSchema>;

/** Characters of the judge's reasoning that a verdict keeps. */
const REASON_LENGTH = 600;

export class PromptedJudge implements Judge {
  readonly #options: z.output<typeof optionsSchema> & { temperature: number };
  readonly #prompt: { id: string; messages: (view: StepView) => Message[] };

  /** Throws code "CONFIG", also for options that would do nothing: several votes at temperature 0. */
  constructor(options: PromptedJudgeOptions) {
    const parsed = parseOptions(optionsSchema, options, "PromptedJudge");
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

  /** Read anew at each call: a native policy that was trained on is another judge. */
  get id(): string {
    const { policy, votes, threshold, temperature, maxNewTokens, retries, mode, seed } = this.#options;
    const decoding = { mode, votes, threshold, temperature, maxNewTokens, retries, seed };
    const settings = { ...decoding, reading: READING_VERSION };
    return `prompted/${this.#prompt.id}/${policy.id}/${Object.entries(settings)
      .map(([key, value]) => `${key}=${value}`)
      .join(",")}`;
  }

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
