/** Numbers that the engine holds in float32. Smaller or larger ones would become 0 or infinity there. */
import { z } from "zod";

/** The least positive number that float32 holds with all its digits, and the largest number. */
export const LEAST_FLOAT32 = 2 ** -126;
export const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/** At lower temperatures a softmax is greedy up to rounding, and logits divided by them soon overflow. */
export const LEAST_TEMPERATURE = 1e-6;

export const positiveFloat32 = z.number().min(LEAST_FLOAT32).max(LARGEST_FLOAT32);

/** 0, or a positive float32. */
export const zeroOrFloat32 = z
  .number()
  .min(0)
  .max(LARGEST_FLOAT32)
  .refine((x) => x === 0 || x >= LEAST_FLOAT32, {
    error: `must be 0 or at least ${LEAST_FLOAT32}: float32 has no number in between`,
  });

/** Of a softmax whose log-probs are wanted. */
export const softmaxTemperature = z.number().min(LEAST_TEMPERATURE).max(LARGEST_FLOAT32);

/** Of sampling: 0 is greedy. */
export const samplingTemperature = z
  .number()
  .min(0)
  .max(LARGEST_FLOAT32)
  .refine((x) => x === 0 || x >= LEAST_TEMPERATURE, {
    error: `must be 0 (greedy) or at least ${LEAST_TEMPERATURE}`,
  });
