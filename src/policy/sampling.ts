/** How actions are sampled: options and defaults that all policies share. Unknown keys are an error. */
import { z } from "zod";
import { samplingTemperature } from "../options/float32.js";
import { signalSchema } from "../options/schemas.js";

export const samplingFields = {
  n: z.int().min(1).max(4096).default(1),
  temperature: samplingTemperature.default(1), // 0 = greedy
  topK: z.int().min(0).default(0), // 0 = off
  topP: z.number().gt(0).max(1).default(1), // 1 = off
  stop: z.array(z.string().min(1)).readonly().default([]),
  seed: z.int().optional(), // absent: another one per call
};

export const samplingSchema = z.strictObject({
  ...samplingFields,
  maxNewTokens: z.int().min(1).optional(),
  signal: signalSchema.optional(),
});
