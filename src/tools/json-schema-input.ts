/**
 * The zod schema of a tool whose input is described by JSON Schema: what the fields' types say and which are required.
 * Formats, patterns and bounds are left to whoever executes the call: a pattern of a foreign server, run here on what a
 * model wrote, could hold up the process. Pure.
 */
import { z } from "zod";

const TYPES: Record<string, () => z.ZodType> = {
  string: () => z.string(),
  number: () => z.number(),
  integer: () => z.int(),
  boolean: () => z.boolean(),
  array: () => z.array(z.unknown()),
  object: () => z.record(z.string(), z.unknown()),
  null: () => z.null(),
};

export function jsonSchemaInput(schema: Readonly<Record<string, unknown>>): z.ZodObject {
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  const fields = propertiesOf(schema).map(([name, property]): [string, z.ZodType] => {
    const type = typeOf(property);
    return [name, required.has(name) ? type : type.optional()];
  });
  const shape: Record<string, z.ZodType> = Object.fromEntries(fields);
  return schema.additionalProperties === false ? z.strictObject(shape) : z.looseObject(shape);
}

function propertiesOf(schema: Readonly<Record<string, unknown>>): [string, unknown][] {
  const { properties } = schema;
  return typeof properties === "object" && properties !== null ? Object.entries(properties) : [];
}

function typeOf(property: unknown): z.ZodType {
  const { type } = (property ?? {}) as { type?: unknown };
  const known = [type].flat().flatMap((name) => {
    const make = typeof name === "string" && Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
    return make ? [make()] : [];
  });
  if (known.length === 0 || known.length < [type].flat().length) return z.unknown();
  return known.length === 1 ? known[0]! : z.union(known);
}
