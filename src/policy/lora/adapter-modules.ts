/**
 * The matrices of an adapter, each with its rank and scale: from options (strict) or from an adapter's config (PEFT's
 * rules).
 */
import { SwirlError } from "../../errors/swirl-error.js";
import type { ModelConfig } from "../../native/addon.js";
import { nearestNames } from "../../options/nearest-names.js";
import type { LoraSettings } from "./lora-options.js";
import { ALL_LINEAR, firstPatterns, type ModuleTargets, selectNames } from "./module-patterns.js";
import { type Projection, projectionsOf } from "./projections.js";

export interface AdapterModule extends Projection {
  rank: number;
  alpha: number;
  /** alpha / rank, or alpha / √rank. */
  scale: number;
}

/** Which modules, and with what rank and alpha. */
export interface AdapterPlan {
  rank: number;
  alpha: number;
  rsLora: boolean;
  rankPattern: Readonly<Record<string, number>>;
  alphaPattern: Readonly<Record<string, number>>;
}

/** Makes the error for wrong input, from the wrong field of the plan, the problem and the remedy. */
export type Refusal = (
  field: "targetModules" | keyof AdapterPlan,
  problem: string,
  remedy: string,
) => SwirlError;

/**
 * Modules of a new adapter. Throws CONFIG, naming the option, if a name or pattern matches no matrix or a rank is too
 * high.
 */
export function newModules(lora: LoraSettings, config: ModelConfig): AdapterModule[] {
  const refuse: Refusal = (field, problem, remedy) =>
    new SwirlError("CONFIG", `lora.${field} ${problem}`, { remedy, details: { field: `lora.${field}` } });
  const all = projectionsOf(config);
  const { targetModules: targets } = lora;
  if (Array.isArray(targets)) {
    for (const target of targets as readonly string[]) {
      if (select(all, { targets: [target] }, refuse).length === 0) throw matchesNothing(target, all, refuse);
    }
  }
  const chosen = select(all, { targets }, refuse);
  if (chosen.length === 0) throw matchesNothing(String(targets), all, refuse);
  return ranked(lora, chosen, true, refuse);
}

/** The matrices that `targets` match. `spelled`: converts the engine's names to the form that the targets use. */
export function select(
  all: readonly Projection[],
  targets: ModuleTargets,
  refuse: Refusal,
  spelled: (name: string) => string = (name) => name,
): Projection[] {
  const byName = new Map(all.map((projection) => [spelled(projection.name), projection]));
  try {
    return selectNames([...byName.keys()], targets).map((name) => byName.get(name)!);
  } catch (cause) {
    throw refuse(
      "targetModules",
      `${JSON.stringify(targets.targets)} ${(cause as Error).message}`,
      'give "all-linear", names such as ["q_proj", "v_proj"], or a regular expression for whole names',
    );
  }
}

/** `chosen` with their ranks, alphas and scales. `strict`: a pattern that matches none of them is an error. */
export function ranked(
  plan: AdapterPlan,
  chosen: readonly Projection[],
  strict: boolean,
  refuse: Refusal,
  spelled: (name: string) => string = (name) => name,
): AdapterModule[] {
  const names = chosen.map(({ name }) => spelled(name));
  const patterns = (field: "rankPattern" | "alphaPattern") => {
    const keys = Object.keys(plan[field]);
    let found: Map<string, string>;
    try {
      found = firstPatterns(keys, names);
    } catch (cause) {
      throw refuse(field, (cause as Error).message, 'a key is the end of a name, such as "q_proj"');
    }
    const used = new Set(found.values());
    const unused = !strict
      ? undefined
      : keys.find((key) => !used.has(key) && firstPatterns([key], names).size === 0);
    if (unused)
      throw refuse(
        field,
        `has ${JSON.stringify(unused)}, which matches none of the adapter's matrices`,
        `the nearest are ${nearestNames(unused, endings(names), 3).join(", ")}`,
      );
    return found;
  };
  const ranks = patterns("rankPattern");
  const alphas = patterns("alphaPattern");
  return chosen.map((projection) => {
    const name = spelled(projection.name);
    const rankKey = ranks.get(name);
    const alphaKey = alphas.get(name);
    const rank = rankKey === undefined ? plan.rank : plan.rankPattern[rankKey]!;
    const alpha = alphaKey === undefined ? plan.alpha : plan.alphaPattern[alphaKey]!;
    const most = Math.min(projection.in, projection.out);
    if (rank > most)
      throw refuse(
        rankKey === undefined ? "rank" : "rankPattern",
        `is ${rank} for ${projection.name}, a matrix of ${projection.out} × ${projection.in}`,
        `a rank is at most the smaller side, ${most}; rankPattern gives single matrices a lower one`,
      );
    return { ...projection, rank, alpha, scale: alpha / (plan.rsLora ? Math.sqrt(rank) : rank) };
  });
}

function matchesNothing(target: string, all: readonly Projection[], refuse: Refusal): SwirlError {
  const embedding = /(^|\.)(lm_head|embed_tokens)$/.test(target);
  const names = all.map(({ name }) => name);
  return refuse(
    "targetModules",
    `has ${JSON.stringify(target)}, ${embedding ? "an embedding" : "which matches no matrix of this model"}`,
    embedding
      ? "adapters of embeddings are not supported: give projections, or train all weights"
      : `the nearest are ${nearestNames(target, endings(names), 3).join(", ")}; "${ALL_LINEAR}" means every one`,
  );
}

/** What people write: "q_proj", then whole names. */
function endings(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => name.slice(name.lastIndexOf(".") + 1))), ...names];
}
