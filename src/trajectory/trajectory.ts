/**
 * The record of one rollout (stage 1), checked with zod: one JSON object per line of a trajectory file.
 *
 * Every state is rebuilt exactly from the record:
 *   state_1 = append_1
 *   state_i = (state_{i-1} ++ action_{i-1})[0 … keep_i) ++ append_i
 * When thoughts are kept, keep_i is the whole length. When thoughts are stripped, it is the length of state_{i-1}.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";

/** Version of the trajectory record. A file of another version is refused with code RECORD. */
export const TRAJECTORY_VERSION = 1;

/** A tool call that was read from an action. */
export interface RecordedCall {
  /** Name of the tool. */
  name: string;
  /** The text between the tags, or the JSON text of the arguments. */
  input: string;
}

/** What the environment replied to an action. */
export interface Observation {
  /** The text that the next state shows: the tool's result, its error, or a notice such as "No calls are left". */
  text: string;
  /** Whether the text is an error or a notice, and not a tool's result. */
  error: boolean;
  /** Time that the tool took, in milliseconds. 0 for a notice. */
  milliseconds: number;
}

/** How a trajectory writes its actions: all that is needed to parse one of them, recorded or freshly sampled. */
export interface ActionFormat {
  /** "tags": calls between tags. "chat-template": calls as the model's chat template or the endpoint writes them. */
  kind: "tags" | "chat-template";
  /** Tool name → the tag of its calls, without angle brackets. Empty for "chat-template". */
  callTags: Record<string, string>;
  /** The tag of the answer, without angle brackets. */
  answerTag: string;
  /** Whether prompts end inside a thought (the template writes `<think>`), so that actions begin in one. */
  opensThought?: boolean | undefined;
}

/** One step of a trajectory: the tokens of its state and its action, what the action means, and the reply to it. */
export interface Step {
  /** Tokens of the previous state and action that this state keeps. 0 in the first step. */
  keep: number;
  /** Token ids appended to those: the prompt, or the observation turn. Empty for a policy without tokens. */
  append: number[];
  /** The sampled token ids. Empty for a policy without tokens. */
  action: number[];
  /** Log-prob (natural logarithm) of each token of `action`, under the distribution it was sampled from. */
  logprobs: number[];
  /** The action as text, without the end-of-turn token. */
  text: string;
  /** The action as later states show it, when chains of thought are stripped. Absent: later states show `text`. */
  shown?: string | undefined;
  /** Why sampling stopped: at a stop string, at the end-of-turn token, or at the token limit. */
  finishReason: "stop" | "eos" | "length";
  /** What the action is. */
  kind: "call" | "answer" | "malformed";
  /** The call. Present when `kind` is "call". */
  call?: RecordedCall | undefined;
  /** Why the action is malformed: a {@link MalformedReason}. Present when `kind` is "malformed". */
  problem?: string | undefined;
  /** The reply. On the last step it is present only where it ended the trajectory (tool error, length). */
  observation?: Observation | undefined;
  /** Time of sampling the action, in milliseconds. The tool's time is in `observation`. */
  milliseconds: number;
}

/** A message of a recorded prompt. */
export interface PromptMessage {
  /** Who speaks. */
  role: "system" | "user" | "assistant" | "tool";
  /** What is said. */
  content: string;
}

/**
 * One rollout of one question: the prompt, every action with its tokens and log-probs, every observation, and how it
 * ended. {@link synthesize}, {@link demonstrate} and {@link solve} produce trajectories.
 */
export interface Trajectory {
  /** Version of the record. */
  version: typeof TRAJECTORY_VERSION;
  /** `questionId/sample`. Unique within a file. */
  id: string;
  /** Id of the question. */
  questionId: string;
  /** Text of the question. */
  question: string;
  /** Accepted answers. Empty when unknown. A judge of steps never sees them. */
  gold: string[];
  /** Index among the rollouts of this question, from 0. */
  sample: number;
  /** Seed of this trajectory, derived from the run's seed, the question id and `sample`. */
  seed: number;
  /** Id of the policy that acted. */
  policy: string;
  /** Names of the tools. */
  tools: string[];
  /** How the actions are written. */
  format: ActionFormat;
  /** Tool calls that the trajectory may make. A malformed action that is answered uses one as well. */
  callLimit: number;
  /** Messages of the first state. */
  prompt: PromptMessage[];
  /** The steps, in order. Empty only when `end` is "failed". */
  steps: Step[];
  /**
   * How it ended.
   * - "answer": the policy gave an answer.
   * - "limit": the calls were used up without an answer.
   * - "malformed": an action was neither one call nor an answer, or a repeated call that the options forbid.
   * - "tool-error": a tool failed, and the options end the trajectory then.
   * - "length": the context or the token limit of an action was used up.
   * - "failed": the policy could not act (see `error`). The record holds the steps made before. No filter keeps it,
   *   and a resumed run rolls it out again.
   */
  end: "answer" | "limit" | "malformed" | "tool-error" | "length" | "failed";
  /** The final answer. Present when `end` is "answer". */
  answer?: string | undefined;
  /** Why the policy could not act. Present when `end` is "failed". */
  error?: string | undefined;
  /** Time of the whole rollout, in milliseconds. */
  milliseconds: number;
}

const callSchema = z.strictObject({ name: z.string(), input: z.string() });

export const actionFormatSchema = z.strictObject({
  kind: z.enum(["tags", "chat-template"]),
  callTags: z.record(z.string(), z.string()),
  answerTag: z.string(),
  opensThought: z.boolean().optional(),
});

export const stepSchema = z.strictObject({
  keep: z.int().min(0),
  append: z.array(z.int().min(0)),
  action: z.array(z.int().min(0)),
  logprobs: z.array(z.number()),
  text: z.string(),
  shown: z.string().optional(),
  finishReason: z.enum(["stop", "eos", "length"]),
  kind: z.enum(["call", "answer", "malformed"]),
  call: callSchema.optional(),
  problem: z.string().optional(),
  observation: z.strictObject({ text: z.string(), error: z.boolean(), milliseconds: z.number() }).optional(),
  milliseconds: z.number(),
});

const messageSchema = z.strictObject({
  role: z.enum(["system", "user", "assistant", "tool"]),
  content: z.string(),
});

/** The fields of a trajectory. `trajectorySchema` also checks that it has a step unless it failed. */
export const trajectoryFields = z.strictObject({
  version: z.literal(TRAJECTORY_VERSION),
  id: z.string(),
  questionId: z.string(),
  question: z.string(),
  gold: z.array(z.string()),
  sample: z.int().min(0),
  seed: z.int(),
  policy: z.string(),
  tools: z.array(z.string()),
  format: actionFormatSchema,
  callLimit: z.int().min(0),
  prompt: z.array(messageSchema),
  steps: z.array(stepSchema),
  end: z.enum(["answer", "limit", "malformed", "tool-error", "length", "failed"]),
  answer: z.string().optional(),
  error: z.string().optional(),
  milliseconds: z.number(),
});

/**
 * zod schema of a {@link Trajectory}. Unknown keys are refused.
 *
 * @example
 * const trajectory = trajectorySchema.parse(JSON.parse(line));
 */
export const trajectorySchema: z.ZodType<Trajectory, Trajectory> = trajectoryFields.refine(
  (t) => t.end === "failed" || t.steps.length > 0,
  { path: ["steps"], message: "a trajectory has at least one step unless it failed" },
);

/** Returns the trajectory itself when it is valid. @throws SwirlError RECORD naming the trajectory and the field. */
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
