/** The option interfaces of judges, which editors show, are what the schemas accept at run time. */
import { expectTypeOf, it } from "vitest";
import type { z } from "zod";
import type {
  AnswerKeyJudgeOptions,
  CalibrateOptions,
  JournaledJudgeOptions,
  JudgeStepsOptions,
  NoisyJudgeOptions,
  PromptedJudgeOptions,
  RuleJudgeOptions,
  Verdict,
  verdictSchema,
} from "../../src/index.js";
import type { answerKeyJudgeSchema } from "../../src/judge/answer-key-judge.js";
import type { calibrateSchema } from "../../src/judge/calibration.js";
import type { journaledJudgeSchema } from "../../src/judge/journaled-judge.js";
import type { judgeStepsSchema } from "../../src/judge/judge-steps.js";
import type { noisyJudgeSchema } from "../../src/judge/noisy-judge.js";
import type { promptedJudgeSchema } from "../../src/judge/prompted-judge.js";
import type { ruleJudgeSchema } from "../../src/judge/rule-judge.js";

it("judge options equal their schemas", () => {
  expectTypeOf<AnswerKeyJudgeOptions>().toEqualTypeOf<z.input<typeof answerKeyJudgeSchema>>();
  expectTypeOf<CalibrateOptions>().toEqualTypeOf<z.input<typeof calibrateSchema>>();
  expectTypeOf<JournaledJudgeOptions>().toEqualTypeOf<z.input<typeof journaledJudgeSchema>>();
  expectTypeOf<JudgeStepsOptions>().toEqualTypeOf<z.input<typeof judgeStepsSchema>>();
  expectTypeOf<NoisyJudgeOptions>().toEqualTypeOf<z.input<typeof noisyJudgeSchema>>();
  expectTypeOf<PromptedJudgeOptions>().toEqualTypeOf<z.input<typeof promptedJudgeSchema>>();
  expectTypeOf<RuleJudgeOptions>().toEqualTypeOf<z.input<typeof ruleJudgeSchema>>();
});

it("a verdict equals the schema of its record", () => {
  expectTypeOf<Verdict>().toEqualTypeOf<z.infer<typeof verdictSchema>>();
});
