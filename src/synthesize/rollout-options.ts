/** How one question is rolled out. The SWiRL paper does not publish these settings; each default is our reading. */
import { z } from "zod";
import { samplingTemperature } from "../options/float32.js";
import type { Task } from "./task.js";

export const taskSchema = z.custom<Task>(
  (value) =>
    typeof (value as Task | undefined)?.prompt === "function" && Array.isArray((value as Task).tools),
  { message: "must be a Task (searchTask(tool), calculatorTask(tool), defineTask({ … }))" },
);

/** Options of a rollout. {@link synthesize}, {@link demonstrate}, {@link solve} and {@link evaluate} share them. */
export interface RolloutOptions {
  /**
   * How actions are written. "tags": calls between tags, for any model. "chat-template": calls as the model's chat
   * template or the endpoint writes them; the template or the endpoint has to support tools.
   * @default "tags"
   */
  format?: "tags" | "chat-template" | undefined;
  /**
   * Maximum tokens per action; fewer when the context ends first. At least 1, below the policy's context length.
   * @default 512
   */
  maxNewTokens?: number | undefined;
  /**
   * Top-k sampling: number of most probable tokens kept. 0 = off. (The search tool has its own `topK`.)
   * @default 0
   */
  topK?: number | undefined;
  /**
   * Nucleus sampling: probability mass kept, above 0 and at most 1.
   * @default 1
   */
  topP?: number | undefined;
  /** Tool calls allowed per trajectory, 0 or more. Default: the task's `callLimit` (5 searches, 10 calculations). */
  callLimit?: number | undefined;
  /**
   * What follows an action that is neither one call nor an answer. "end": the trajectory ends. "retry-message": the
   * model is asked to correct itself, which uses one call.
   * @default "end"
   */
  malformed?: "end" | "retry-message" | undefined;
  /**
   * What follows a call that was already made in this trajectory; the prompt forbids it. "allow": it is executed.
   * "tell": a reminder replaces the result. "end": the trajectory ends.
   * @default "allow"
   */
  repeatedCall?: "allow" | "tell" | "end" | undefined;
  /**
   * What follows a call beyond the limit; it is never executed. "end": the trajectory ends. "ask-for-answer": the
   * policy acts once more, to answer.
   * @default "end"
   */
  atLimit?: "end" | "ask-for-answer" | undefined;
  /**
   * Whether later states keep the chain of thought before a call. When false they show the bare call (the paper's
   * figure 3).
   * @default true
   */
  keepThoughts?: boolean | undefined;
  /**
   * What follows a tool that fails. "show": the model reads the error and continues. "end": the trajectory ends.
   * @default "show"
   */
  toolError?: "show" | "end" | undefined;
  /**
   * Time limit of one tool call, in milliseconds. Above 0.
   * @default 30000
   */
  toolTimeoutMs?: number | undefined;
  /**
   * Maximum characters of a tool's result; a longer one is truncated and marked. At least 16.
   * @default 4000
   */
  maxObservationChars?: number | undefined;
  /** Maximum tokens of an observation turn, at least 16. It needs a policy with tokens. Default: no limit. */
  maxObservationTokens?: number | undefined;
}

export const rolloutShape = {
  format: z.enum(["tags", "chat-template"]).default("tags"),
  maxNewTokens: z.int().min(1).default(512),
  topK: z.int().min(0).default(0),
  topP: z.number().gt(0).max(1).default(1),
  callLimit: z.int().min(0).optional(),
  malformed: z.enum(["end", "retry-message"]).default("end"),
  repeatedCall: z.enum(["allow", "tell", "end"]).default("allow"),
  atLimit: z.enum(["end", "ask-for-answer"]).default("end"),
  keepThoughts: z.boolean().default(true),
  toolError: z.enum(["show", "end"]).default("show"),
  toolTimeoutMs: z.number().positive().default(30_000),
  maxObservationChars: z.int().min(16).default(4000),
  maxObservationTokens: z.int().min(16).optional(),
};

export const rolloutSchema = z.strictObject({
  ...rolloutShape,
  temperature: samplingTemperature,
  seed: z.int(),
});

/** Rollout options with every default filled in. */
export type RolloutSettings = z.output<typeof rolloutSchema>;
