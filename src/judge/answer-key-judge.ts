/**
 * Says whether a final answer is right, from the answer key alone: the paper's outcome filter. The only judge that
 * sees gold answers; it is no `Judge` of steps and cannot be taken for one.
 */
import { z } from "zod";
import type { AnswerCandidate, AnswerMatcher, AnswerVerdict } from "../answers/answer-matcher.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { deriveSeed } from "../random/derive-seed.js";
import { failedVerdict } from "./failed-verdict.js";
import { answerKeyPrompt, PROMPT_VERSION } from "./judge-prompt.js";
import { poll } from "./poll.js";
import { pollFields, pollTemperature } from "./prompted-judge.js";
import { READING_VERSION } from "./reading/read-verdict.js";

const optionsSchema = z.strictObject({ ...pollFields, maxNewTokens: z.int().min(1).default(128) });

export type AnswerKeyJudgeOptions = z.input<typeof optionsSchema>;

export class AnswerKeyJudge implements AnswerMatcher {
  readonly #options: z.output<typeof optionsSchema> & { temperature: number };

  constructor(options: AnswerKeyJudgeOptions) {
    const parsed = parseOptions(optionsSchema, options, "AnswerKeyJudge");
    this.#options = { ...parsed, temperature: pollTemperature(parsed, "AnswerKeyJudge") };
  }

  get id(): string {
    const { policy, votes, temperature, mode } = this.#options;
    return `answer-key.v${PROMPT_VERSION}/${policy.id}/mode=${mode},votes=${votes},temperature=${temperature},reading=${READING_VERSION}`;
  }

  async match(candidate: AnswerCandidate, options: { signal?: AbortSignal } = {}): Promise<AnswerVerdict> {
    if (!Array.isArray(candidate.gold)) {
      throw new SwirlError("INPUT", `AnswerKeyJudge: gold is ${JSON.stringify(candidate.gold)}, no array`, {
        remedy: 'give an array of strings, such as ["72"]',
        details: { field: "gold" },
      });
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
