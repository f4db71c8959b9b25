/**
 * How a server turns the losses of tokens into the gradient of a step:
 *
 *   G = Σᵢ cᵢ Σₜ ∂ℓᵢₜ,   over all datums i between two optimizer steps, or over those of one call
 *
 *   sum              cᵢ = 1                  the official service, verl
 *   datum-mean       cᵢ = 1/N                N datums
 *   token-means      cᵢ = 1/Tᵢ               Tᵢ elements of datum i, prompt included
 *   mean-of-means    cᵢ = 1/(N·Tᵢ)           SkyRL's JAX backend
 *   token-mean       cᵢ = 1/Σⱼ Tⱼ
 *
 * Which one a server has is measured (reduction-probe.ts), never looked up: versions and backends differ.
 */
/** Names of the reductions; docs/cluster.md. */
export type ReductionKind = "sum" | "datum-mean" | "token-means" | "mean-of-means" | "token-mean";
export const REDUCTION_KINDS = [
  "sum",
  "datum-mean",
  "token-means",
  "mean-of-means",
  "token-mean",
] as const satisfies readonly ReductionKind[];

/** How a server reduces the losses of tokens. */
export interface Reduction {
  /** What a datum's loss is divided by: nothing, the datums, its tokens, both, or all tokens. */
  kind: ReductionKind;
  /** N and ΣT count the datums of a whole optimizer step, or of each forward_backward call by itself. */
  scope: "step" | "call";
}

/** [calls][datums] cᵢ. `lengths`: [calls][datums] elements of each datum. */
export function reductionFactors(
  { kind, scope }: Reduction,
  lengths: readonly (readonly number[])[],
): number[][] {
  const all = lengths.flat();
  return lengths.map((own) => {
    const counted = scope === "step" ? all : own;
    const n = counted.length;
    const total = counted.reduce((sum, length) => sum + length, 0);
    return own.map(
      (length) =>
        1 /
        {
          sum: 1,
          "datum-mean": n,
          "token-means": length,
          "mean-of-means": n * length,
          "token-mean": total,
        }[kind],
    );
  });
}

/** Reductions that can be told apart; "sum" and "token-means" count nothing across datums, so their scope is one. */
export const REDUCTIONS: readonly Reduction[] = REDUCTION_KINDS.flatMap((kind): Reduction[] => {
  const step: Reduction = { kind, scope: "step" };
  return kind === "sum" || kind === "token-means" ? [step] : [step, { kind, scope: "call" }];
});
