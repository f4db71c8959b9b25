/** How actions are sampled: the defaults every policy shares. Unknown keys are an error. */
import { z } from "zod";

export const samplingSchema = z.strictObject({
  n: z.int().min(1).max(4096).default(1),
  maxNewTokens: z.int().min(1).optional(),
  temperature: z.number().min(0).max(100).default(1),
  topK: z.int().min(0).default(0),
  topP: z.number().gt(0).max(1).default(1),
  stop: z.array(z.string().min(1)).default([]),
  seed: z.int().optional(),
});
