/**
 * The rotary settings of a config.json, in either layout:
 * - transformers 5: `rope_parameters`, flat, or keyed by layer type for Gemma 3
 * - before: `rope_theta`, `rope_scaling`, and for Gemma 3 `rope_local_base_freq` on sliding layers
 * A rope type other than default, linear and llama3 is refused by name.
 */
import { z } from "zod";
import { checkpointError, shown } from "./checkpoint-error.js";
import type { RopeScaling } from "./rope-frequencies.js";

export interface Rope {
  base: number;
  scaling: RopeScaling;
}

const positive = z.number().positive().finite();
const ropeSchema = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(), // the name before `rope_type`
  rope_theta: positive.nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: positive.nullish(),
  partial_rotary_factor: z.literal(1).nullish(),
});
type RopeJson = z.infer<typeof ropeSchema>;

type Json = Record<string, unknown>;

/** For every family but Gemma 3: one set of frequencies. */
export function flatRope(json: Json, file: string): Rope {
  // transformers prefers a non-empty `rope_scaling` to `rope_parameters`.
  const scalingGiven = isObject(json.rope_scaling) && Object.keys(json.rope_scaling).length > 0;
  const field = scalingGiven ? "rope_scaling" : "rope_parameters";
  const parameters = ropeJson(json[field] ?? {}, field, file);
  for (const layerType of ["full_attention", "sliding_attention"]) {
    if (layerType in parameters) {
      throw checkpointError(
        file,
        `${field}.${layerType} is set, but this model type has one set for all layers`,
        "give one flat object with rope_type and rope_theta, as transformers writes it",
        { field: `${field}.${layerType}` },
      );
    }
  }
  const base = parameters.rope_theta ?? theta(json.rope_theta, "rope_theta", file) ?? 10_000;
  const outerPositions = json.original_max_position_embeddings;
  return { base, scaling: scalingOf(parameters, outerPositions ?? null, json, field, file) };
}

/** Gemma 3: full layers are scaled and have one base, sliding layers have another. */
export function layeredRope(json: Json, file: string): { full: Rope; sliding: Rope } {
  const given = json.rope_parameters;
  if (given !== undefined && given !== null && !isObject(given)) {
    throw fieldError(
      file,
      "rope_parameters",
      given,
      "an object keyed by full_attention and sliding_attention",
    );
  }
  if (isObject(given) && ("rope_type" in given || "rope_theta" in given)) {
    throw checkpointError(
      file,
      `rope_parameters is flat (${shown(given)}), but Gemma 3 has one set per layer type`,
      "key it by full_attention and sliding_attention, as transformers writes it",
      { field: "rope_parameters" },
    );
  }
  const perLayer = isObject(given) ? given : {};
  const legacy = isObject(json.rope_scaling) ? json.rope_scaling : {};
  const full = ropeJson(
    { ...asObject(perLayer.full_attention), ...legacy },
    "rope_parameters.full_attention",
    file,
  );
  const sliding = ropeJson(asObject(perLayer.sliding_attention), "rope_parameters.sliding_attention", file);
  return {
    full: {
      base: full.rope_theta ?? theta(json.rope_theta, "rope_theta", file) ?? 1_000_000,
      scaling: scalingOf(full, null, json, "rope_parameters.full_attention", file),
    },
    sliding: {
      base: sliding.rope_theta ?? theta(json.rope_local_base_freq, "rope_local_base_freq", file) ?? 10_000,
      scaling: scalingOf(sliding, null, json, "rope_parameters.sliding_attention", file),
    },
  };
}

function scalingOf(
  rope: RopeJson,
  outerPositions: unknown,
  json: Json,
  field: string,
  file: string,
): RopeScaling {
  const type = rope.rope_type ?? rope.type ?? "default";
  const need = (name: "factor" | "low_freq_factor" | "high_freq_factor"): number => {
    const value = rope[name];
    if (value === undefined || value === null)
      throw fieldError(file, `${field}.${name}`, value, "a number above 0");
    return value;
  };
  switch (type) {
    case "default":
      return { type };
    case "linear":
      return { type, factor: need("factor") };
    case "llama3": {
      const lowFreqFactor = need("low_freq_factor");
      const highFreqFactor = need("high_freq_factor");
      if (highFreqFactor <= lowFreqFactor) {
        throw fieldError(
          file,
          `${field}.high_freq_factor`,
          highFreqFactor,
          `a number above low_freq_factor (${lowFreqFactor})`,
        );
      }
      const originalPositions =
        theta(outerPositions, "original_max_position_embeddings", file) ??
        rope.original_max_position_embeddings ??
        theta(json.max_position_embeddings, "max_position_embeddings", file);
      if (originalPositions === undefined) {
        throw fieldError(file, `${field}.original_max_position_embeddings`, undefined, "a number above 0");
      }
      return { type, factor: need("factor"), lowFreqFactor, highFreqFactor, originalPositions };
    }
    default:
      throw checkpointError(
        file,
        `${field}.rope_type is ${shown(type)}, which is not supported`,
        "use a checkpoint whose rope type is default, linear or llama3",
        { field: `${field}.rope_type`, value: type },
      );
  }
}

function ropeJson(value: unknown, field: string, file: string): RopeJson {
  const parsed = ropeSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = [field, ...(issue?.path ?? [])].join(".");
  throw fieldError(file, path, valueAt(value, issue?.path ?? []), issue?.message ?? "a valid value");
}

function theta(value: unknown, field: string, file: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value)) {
    throw fieldError(file, field, value, "a number above 0");
  }
  return value;
}

function fieldError(file: string, field: string, value: unknown, expected: string) {
  return checkpointError(file, `${field} is ${shown(value)}`, `it must be: ${expected}`, { field, value });
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (isObject(at) ? at[String(key)] : undefined), value);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Json {
  return isObject(value) ? value : {};
}
