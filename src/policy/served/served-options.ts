/** Options of `Policy.connect({ servers })`, with their defaults. Unknown keys are an error. */
import { z } from "zod";
import { type FleetOptions, fleetShape } from "../../endpoint/fleet-options.js";
import { callback, signalSchema } from "../../options/schemas.js";
import { type NativePolicy, nativePolicySchema } from "../native-policy.js";

/** How the log-probs of servers are compared with those of a reference before they are used. */
export interface ServedProbeOptions {
  /**
   * A policy with the weights that the servers should have. Without one a server's replies are checked for their form
   * alone.
   */
  reference?: NativePolicy | undefined;
  /** Tokens that each server samples and the reference scores, at least 1. @default 64 */
  tokens?: number | undefined;
  /** Largest mean of the absolute differences of log-probs, in nats; above 0. @default 0.05 */
  maxMean?: number | undefined;
  /** Largest single difference, in nats; above 0. @default 1 */
  maxDifference?: number | undefined;
}

/** Options of `Policy.connect` for servers that take and return token ids. */
export interface ServedOptions extends FleetOptions {
  /** What the servers are: vLLM, SGLang, or llama.cpp's own server (`llama-server`). */
  api: "vllm" | "sglang" | "llama.cpp";
  /** Folder of the model's tokenizer: tokenizer.json, tokenizer_config.json, config.json. A name of the hub works too. */
  tokenizer: string;
  /** The model's or adapter's name on the servers. vLLM needs it. SGLang takes an adapter's; llama.cpp takes none. */
  model?: string | undefined;
  /** Context length in tokens, at least 2. Default: the least of what the servers and config.json say. */
  contextLength?: number | undefined;
  /** Fields of the request body, which replace ours. @default {} */
  extraBody?: Record<string, unknown> | undefined;
  /**
   * Whether vLLM was started with `--logprobs-mode processed_logprobs`. Without it only temperature 1 or 0, topK 0 and topP
   * 1 give log-probs of the distribution that is sampled from, and other values are refused.
   * @default false
   */
  processedLogprobs?: boolean | undefined;
  /**
   * What every server is tested with before it takes calls, at the start and after a fault. false: no test, not even of the
   * replies' form.
   * @default {"tokens":64,"maxMean":0.05,"maxDifference":1}
   */
  probe?: false | ServedProbeOptions | undefined;
  /** Called for what a person should know: a server that went down or came back, a comparison that was made. Default: a warning of the process. */
  onNote?: ((note: string) => unknown) | undefined;
  /** Ends the connecting with code ABORTED. */
  signal?: AbortSignal | undefined;
}

/** Without what concerns two keys at once. */
export const servedShape = z.strictObject({
  ...fleetShape,
  api: z.enum(["vllm", "sglang", "llama.cpp"]),
  tokenizer: z.string().min(1),
  model: z.string().min(1).optional(),
  contextLength: z.int().min(2).optional(),
  extraBody: z.record(z.string(), z.unknown()).default({}),
  processedLogprobs: z.boolean().default(false),
  probe: z
    .union([
      z.literal(false),
      z.strictObject({
        reference: nativePolicySchema.optional(),
        tokens: z.int().min(1).default(64),
        maxMean: z.number().positive().default(0.05),
        maxDifference: z.number().positive().default(1),
      }),
    ])
    .prefault({}),
  onNote: callback<string>("onNote").optional(),
  signal: signalSchema.optional(),
});

export const servedSchema = servedShape
  .refine(({ api, model }) => api !== "vllm" || model !== undefined, {
    path: ["model"],
    error: "vLLM needs the model's name",
  })
  .refine(({ api, model }) => api !== "llama.cpp" || model === undefined, {
    path: ["model"],
    error: "llama.cpp's server has one model: leave it out",
  });

export type ResolvedServedOptions = z.output<typeof servedSchema>;
