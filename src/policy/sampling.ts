/** How actions are sampled: the options and defaults every policy shares. Unknown keys are an error. */
import { z } from "zod";
import { samplingTemperature } from "../options/float32.js";
import { signalSchema } from "../options/schemas.js";

export const samplingFields = {
  n: z.int().min(1).max(4096).default(1),
  temperature: samplingTemperature.default(1), // 0 = greedy
  topK: z.int().min(0).default(0), // 0 = off
  topP: z.number().gt(0).max(1).default(1), // 1 = off
  stop: z.array(z.string().min(1)).readonly().default([]),
  seed: z.int().optional(), // absent: another one every time
};

export const samplingSchema = z.strictObject({
  ...samplingFields,
  maxNewTokens: z.int().min(1).optional(),
  signal: signalSchema.optional(),
});
