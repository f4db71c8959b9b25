/**
 * How one question is rolled out. The SWiRL paper does not publish these; each default is our reading, and an option.
 */
import { z } from "zod";
import { samplingTemperature } from "../options/float32.js";
import type { Task } from "./task.js";

export const taskSchema = z.custom<Task>(
  (value) =>
    typeof (value as Task | undefined)?.prompt === "function" && Array.isArray((value as Task).tools),
  { message: "must be a Task (searchTask(tool), calculatorTask(tool), defineTask({ … }))" },
);

export const rolloutShape = {
  /** "chat-template" needs a policy whose template or endpoint knows tools. */
  format: z.enum(["tags", "chat-template"]).default("tags"),
  maxNewTokens: z.int().min(1).default(512), // tokens of one action
  topK: z.int().min(0).default(0), // 0 = off; of the sampler, the search tool has a topK of its own
  topP: z.number().gt(0).max(1).default(1),
  /** Tool calls; default: the task's (5 searches, 10 calculations). */
  callLimit: z.int().min(0).optional(),
  /** An action that is neither one call nor the answer. "retry-message" tells the model and uses one call up. */
  malformed: z.enum(["end", "retry-message"]).default("end"),
  /** The same call twice. The prompt forbids it. "tell" answers with a reminder instead of the result. */
  repeatedCall: z.enum(["allow", "tell", "end"]).default("allow"),
  /** A call after the last one allowed; it is never executed. "ask-for-answer" gives one more action. */
  atLimit: z.enum(["end", "ask-for-answer"]).default("end"),
  /** false: later states show the bare call without the chain of thought before it (the paper's figure 3). */
  keepThoughts: z.boolean().default(true),
  /** A tool that fails. "show" lets the model read the message and go on. */
  toolError: z.enum(["show", "end"]).default("show"),
  toolTimeoutMs: z.number().positive().default(30_000),
  /** Longer results are cut and marked. */
  maxObservationChars: z.int().min(16).default(4000),
  /** Tokens of the whole observation turn; needs a policy with tokens. Default: off. */
  maxObservationTokens: z.int().min(16).optional(),
};

export const rolloutSchema = z.strictObject({
  ...rolloutShape,
  temperature: samplingTemperature,
  seed: z.int(),
});

export type RolloutOptions = z.output<typeof rolloutSchema>;
