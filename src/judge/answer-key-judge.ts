/**
 * Decides whether a final answer is right, from the answer key alone: the paper's outcome filter. It is the only judge
 * that sees gold answers, and it is not a `Judge` of steps.
 */

import { z } from "zod";
import type { AnswerCandidate, AnswerMatcher, AnswerVerdict } from "../answers/answer-matcher.js";
import { checkedMethods } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { deriveSeed } from "../random/derive-seed.js";
import { failedVerdict } from "./failed-verdict.js";
import { answerKeyPrompt, PROMPT_VERSION } from "./judge-prompt.js";
import { poll } from "./poll.js";
import { type JudgeModelOptions, pollFields, pollTemperature } from "./prompted-judge.js";
import { READING_VERSION } from "./reading/read-verdict.js";

/** Options of {@link AnswerKeyJudge}. */
export interface AnswerKeyJudgeOptions extends JudgeModelOptions {
  /** Maximum tokens per reply, at least 1. @default 128 */
  maxNewTokens?: number | undefined;
}

export const answerKeyJudgeSchema = z.strictObject({
  ...pollFields,
  maxNewTokens: z.int().min(1).default(128),
});

/**
 * An answer matcher that asks a model whether an answer says the same as the answer key. Use it as `matcher` of a task,
 * or in the outcome filter, for answers that rules cannot compare.
 *
 * @example
 * const matcher = new AnswerKeyJudge({ policy });
 * await matcher.match({ question: "How much is it?", answer: "ten dollars", gold: ["$10"] });
 * // { status: "ok", correct: true }
 */
export class AnswerKeyJudge implements AnswerMatcher {
  readonly #options: z.output<typeof answerKeyJudgeSchema> & { temperature: number };

  /** @throws SwirlError CONFIG for bad options, such as several votes at temperature 0. */
  constructor(options: AnswerKeyJudgeOptions) {
    const parsed = parseOptions(answerKeyJudgeSchema, options, "AnswerKeyJudge");
    this.#options = { ...parsed, temperature: pollTemperature(parsed, "AnswerKeyJudge") };
  }

  /** Names the prompt version, the policy and the settings of the judge. */
  get id(): string {
    const { policy, votes, temperature, mode } = this.#options;
    return `answer-key.v${PROMPT_VERSION}/${policy.id}/mode=${mode},votes=${votes},temperature=${temperature},reading=${READING_VERSION}`;
  }

  /**
   * Compares one answer with the accepted ones. A reply that cannot be read for certain is a failed verdict, neither
   * right nor wrong.
   *
   * @throws SwirlError INPUT when `gold` is not an array; ABORTED; CONFIG, CHECKPOINT, DEVICE or DISPOSED when the policy
   * cannot work at all. Other errors become failed verdicts.
   */
  async match(candidate: AnswerCandidate, options: { signal?: AbortSignal } = {}): Promise<AnswerVerdict> {
    if (!Array.isArray(candidate.gold)) {
      throw new SwirlError(
        "INPUT",
        `AnswerKeyJudge: gold is ${JSON.stringify(candidate.gold)}, not an array`,
        {
          remedy: 'give an array of strings, such as ["72"]',
          details: { field: "gold" },
        },
      );
    }
    const seed = deriveSeed(
      "answer-key",
      this.#options.seed,
      candidate.question,
      candidate.answer,
      ...candidate.gold,
    );
    try {
      const messages = answerKeyPrompt(candidate);
      const shown = [candidate.question, candidate.answer, ...candidate.gold].join("\n");
      const result = await poll({
        ...this.#options,
        ...options,
        messages,
        shown,
        words: ["YES", "NO"],
        seed,
      });
      return result.status === "failed" ? result : { status: "ok", correct: result.score >= 0.5 };
    } catch (error) {
      return failedVerdict(error);
    }
  }
}

checkedMethods(AnswerKeyJudge, { match: "({ question, answer, gold }, options)" });
