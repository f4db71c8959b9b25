/**
 * A record of metrics.jsonl under the names that TRL's trackers show: transformers puts `train/` before each, and two
 * metrics have another name there. docs/trackers.md has the table. Pure.
 */
const TRL: Record<string, string> = {
  clip_ratio: "clip_ratio/region_mean",
  "time/step": "step_time",
  step: "global_step",
};

/** Finite numbers only: a metric without a value is left out. */
export function trackedMetrics(record: object, prefix: "train" | "eval"): Record<string, number> {
  return Object.fromEntries(
    Object.entries(record).flatMap(([name, value]) =>
      typeof value === "number" && Number.isFinite(value)
        ? [[`${prefix}/${(Object.hasOwn(TRL, name) ? TRL[name] : undefined) ?? name}`, value]]
        : [],
    ),
  );
}
