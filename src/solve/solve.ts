/**
 * Stage 3: step-wise inference (SWiRL, section 3.3). One question, live tools, until an answer or the limit.
 *
 * The same loop as synthesis, greedy by default. The result is the whole trajectory: without an answer, `answer` is
 * undefined and `end` gives the reason.
 */
import { z } from "zod";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { type Policy, policySchema } from "../policy/policy.js";
import { rollout } from "../synthesize/rollout.js";
import { type RolloutOptions, rolloutShape, taskSchema } from "../synthesize/rollout-options.js";
import { rolloutSetup } from "../synthesize/rollout-setup.js";
import type { Task } from "../synthesize/task.js";
import type { Question } from "../trajectory/question.js";
import type { Step, Trajectory } from "../trajectory/trajectory.js";
import { askedQuestion } from "./asked-question.js";

/** Options of {@link solve}. */
export interface SolveOptions extends RolloutOptions {
  /** The policy that acts. */
  policy: Policy;
  /** Prompt, tools and call limit: `searchTask(tool)`, `calculatorTask(tool)` or `defineTask({ … })`. */
  task: Task;
  /**
   * Sampling temperature, 0 or more. 0 = greedy.
   * @default 0
   */
  temperature?: number | undefined;
  /**
   * Seed of sampling, an integer.
   * @default 0
   */
  seed?: number | undefined;
  /** Ends the call with code ABORTED. */
  signal?: AbortSignal | undefined;
  /** Called after each step, with its observation. */
  onStep?: ((event: Step) => unknown) | undefined;
}

export const solveSchema = z.strictObject({
  policy: policySchema,
  task: taskSchema,
  temperature: samplingTemperature.default(0), // 0 = greedy
  seed: z.int().default(0),
  signal: signalSchema.optional(),
  onStep: callback<Step>("onStep").optional(),
  ...rolloutShape,
});

/**
 * Answers one question with live tools, and returns the whole trajectory.
 *
 * A policy that cannot act is not thrown: the trajectory then has `end: "failed"` and `error`.
 *
 * @param question The text, or a question with its id and accepted answers.
 * @throws SwirlError CONFIG for bad options, INPUT for an invalid question, ABORTED.
 * @example
 * const { answer, end } = await solve("What is 48 / 2 + 3?", { policy, task: calculatorTask(calculator()) });
 */
export async function solve(question: string | Question, options: SolveOptions): Promise<Trajectory> {
  const { policy, task, signal, onStep, ...rest } = parseOptions(solveSchema, options, "solve");
  return rollout(askedQuestion(question, "solve"), 0, rolloutSetup(policy, task, rest), signal, onStep);
}
