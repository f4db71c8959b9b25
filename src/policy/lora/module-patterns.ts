/**
 * PEFT's rules for which modules a name or a pattern matches. A list holds whole names or their ends ("q_proj",
 * "layers.0.mlp.up_proj"); a text is "all-linear" or a regular expression that a whole name must match.
 *
 * Patterns come with adapters, which are untrusted, and matching some expressions never ends: it has a time limit.
 */
import { runInNewContext } from "node:vm";

/** One text for all linear layers but the output embedding. */
export const ALL_LINEAR = "all-linear";

const MILLISECONDS = 1_000;

export interface ModuleTargets {
  targets: string | readonly string[];
  excluded?: string | readonly string[] | undefined;
  /** Layers that a list of targets is restricted to. */
  layers?: readonly number[] | undefined;
  /** Regular expressions of the list of layers ("layers"); none = any. */
  layersPattern?: readonly string[] | undefined;
}

/**
 * The names that match. Throws SyntaxError or RangeError, with a message for the user, for a pattern that cannot be
 * used.
 */
export function selectNames(
  names: readonly string[],
  { targets, excluded, layers, layersPattern }: ModuleTargets,
): string[] {
  const out =
    excluded === undefined || excluded.length === 0
      ? new Set<string>()
      : new Set(typeof excluded === "string" ? wholly(excluded, names) : names.filter(endsWith(excluded)));
  if (typeof targets === "string") {
    const found = targets.toLowerCase() === ALL_LINEAR ? names : wholly(targets, names);
    return found.filter((name) => !out.has(name));
  }
  const named = names.filter((name) => !out.has(name) && endsWith(targets)(name));
  if (layers === undefined || layers.length === 0) return named;
  const patterns = layersPattern?.length ? layersPattern : ["[^.]*"];
  const layerOf = layersOf(
    named,
    patterns.map((pattern) => `^(?:.*?\\.)?(?:${pattern})\\.(?<index>\\d+)\\.`),
  );
  // A whole name matches in every layer.
  return named.filter((name) => targets.includes(name) || layers.includes(layerOf.get(name) ?? -1));
}

/**
 * For each name the first pattern that matches it, as PEFT reads rank_pattern and alpha_pattern. Throws as selectNames.
 */
export function firstPatterns(patterns: readonly string[], names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const pattern of patterns) {
    const left = names.filter((name) => !found.has(name));
    for (const name of matching(`^(?:.*\\.)?(?:${pattern})$`, left)) found.set(name, pattern);
  }
  return found;
}

function endsWith(targets: readonly string[]): (name: string) => boolean {
  return (name) => targets.some((target) => name === target || name.endsWith(`.${target}`));
}

function wholly(pattern: string, names: readonly string[]): string[] {
  return matching(`^(?:${pattern})$`, names);
}

/** The number after the list of layers; NaN where there is none. */
function layersOf(names: readonly string[], expressions: readonly string[]): Map<string, number> {
  const layers = new Map<string, number>();
  for (const expression of expressions) {
    const left = names.filter((name) => !layers.has(name));
    const found = evaluate<(string | undefined)[]>(
      expression,
      left,
      "names.map((name) => r.exec(name)?.groups?.index)",
    );
    for (const [i, index] of found.entries()) if (index !== undefined) layers.set(left[i]!, Number(index));
  }
  return layers;
}

function matching(source: string, names: readonly string[]): string[] {
  const found = evaluate<boolean[]>(source, names, "names.map((name) => r.test(name))");
  return names.filter((_, i) => found[i]);
}

function evaluate<Result>(source: string, names: readonly string[], script: string): Result {
  let r: RegExp;
  try {
    r = new RegExp(asJavaScript(source), "s");
  } catch (cause) {
    throw new SyntaxError(`is not a regular expression (${(cause as Error).message})`);
  }
  try {
    return runInNewContext(script, { r, names }, { timeout: MILLISECONDS }) as Result;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw cause;
    throw new RangeError(`takes more than ${MILLISECONDS} ms to match`);
  }
}

/** Python has another syntax for named groups and for the ends of a text. */
function asJavaScript(source: string): string {
  return source.replaceAll("(?P<", "(?<").replaceAll("\\Z", "$").replaceAll("\\A", "^");
}
