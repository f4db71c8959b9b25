/**
 * Records of stage 1, validated with zod, one JSON object a line.
 *
 * State i is rebuilt exactly from the record:
 *   state_1 = append_1
 *   state_i = (state_{i-1} ++ action_{i-1})[0 … keep_i) ++ append_i
 * With thoughts kept, keep_i is the whole length; with thoughts stripped it is the length of state_{i-1}.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";

export const TRAJECTORY_VERSION = 1;

export const toolCallSchema = z.strictObject({ name: z.string(), input: z.string() });

/** How this trajectory's actions are written: all that is needed to read one of them, logged or fresh. */
export const actionFormatSchema = z.strictObject({
  /** "tags": calls between tags. "chat-template": calls as the model's own chat template or endpoint writes them. */
  kind: z.enum(["tags", "chat-template"]),
  /** Tool name → the tag of its calls. Empty for "chat-template". */
  callTags: z.record(z.string(), z.string()),
  answerTag: z.string(),
  /** Whether prompts end inside a thought (the template writes `<think>`), so that actions begin in one. */
  opensThought: z.boolean().optional(),
});

export const stepSchema = z.strictObject({
  /** Tokens of the previous state and action that this state keeps. 0 in step 1. */
  keep: z.int().min(0),
  /** Tokens appended to them: the prompt, or the observation turn. Empty for a policy without tokens. */
  append: z.array(z.int().min(0)),
  /** The sampled tokens, and the log-prob of each under the distribution sampled from. */
  action: z.array(z.int().min(0)),
  logprobs: z.array(z.number()),
  text: z.string(),
  /** What later states show of this action where chains of thought are stripped; else they show `text`. */
  shown: z.string().optional(),
  finishReason: z.enum(["stop", "eos", "length"]),
  kind: z.enum(["call", "answer", "malformed"]),
  call: toolCallSchema.optional(),
  /** Why a malformed action is malformed: a MalformedReason of src/synthesize/parse-action.ts. */
  problem: z.string().optional(),
  /** What the environment said back; on the last step only where it ended the trajectory (tool error, length). */
  observation: z.strictObject({ text: z.string(), error: z.boolean(), milliseconds: z.number() }).optional(),
  milliseconds: z.number(),
});

export const messageSchema = z.strictObject({
  role: z.enum(["system", "user", "assistant", "tool"]),
  content: z.string(),
});

export const trajectorySchema = z
  .strictObject({
    version: z.literal(TRAJECTORY_VERSION),
    id: z.string(), // `${questionId}/${sample}`
    questionId: z.string(),
    question: z.string(),
    /** Accepted answers; empty when unknown. Never shown to a judge of process. */
    gold: z.array(z.string()),
    sample: z.int().min(0),
    seed: z.int(),
    policy: z.string(),
    tools: z.array(z.string()),
    format: actionFormatSchema,
    /** Tool calls the trajectory may make; a malformed action that is answered uses one up as well. */
    callLimit: z.int().min(0),
    prompt: z.array(messageSchema),
    steps: z.array(stepSchema),
    /**
     * How it ended. `limit`: calls used up without an answer. `length`: context or action budget used up.
     * `failed`: the policy could not act (`error` says why); such a record holds the steps made until then, may hold
     * none, passes no filter, and is rolled out again on resume.
     */
    end: z.enum(["answer", "limit", "malformed", "tool-error", "length", "failed"]),
    answer: z.string().optional(),
    error: z.string().optional(),
    milliseconds: z.number(),
  })
  .refine((t) => t.end === "failed" || t.steps.length > 0, {
    path: ["steps"],
    message: "a trajectory has at least one step unless it failed",
  });

export type Step = z.infer<typeof stepSchema>;
export type Trajectory = z.infer<typeof trajectorySchema>;
export type ActionFormat = z.infer<typeof actionFormatSchema>;

/** The trajectory as it is, once it is one. Throws code "RECORD" naming trajectory and field. */
export function requireTrajectory(value: unknown, stage: string): Trajectory {
  const parsed = trajectorySchema.safeParse(value);
  if (parsed.success) return value as Trajectory;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.join(".");
  const { id, trajectory } = (value ?? {}) as { id?: unknown; trajectory?: unknown };
  const which = typeof id === "string" ? `trajectory ${id}` : "a trajectory";
  throw new SwirlError("RECORD", `${stage}: ${which}${field && `: ${field}`}: ${message}`, {
    remedy:
      trajectory === undefined
        ? `${stage} takes trajectories as synthesize yields them and readTrajectories reads them`
        : `this is a judged trajectory: ${stage} takes its \`trajectory\``,
    details: { field },
  });
}
