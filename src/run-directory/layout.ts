/** Where things lie in a run directory. */
import { join } from "node:path";

export interface RunPaths {
  config: string;
  manifest: string;
  metrics: string;
  sftMetrics: string;
  trajectories: string;
  verdicts: string;
  /** The filter's table, as JSON. */
  filter: string;
  checkpoints: string; // folder
  /** The trained policy, as a model folder. */
  policy: string;
  report: string;
  reportHtml: string;
  /** One evaluation file a stage of the run: "before", "after", … */
  evaluation: (stage: string) => string;
}

export function runPaths(dir: string): RunPaths {
  return {
    config: join(dir, "config.resolved.json"),
    manifest: join(dir, "manifest.json"),
    metrics: join(dir, "metrics.jsonl"),
    sftMetrics: join(dir, "sft-metrics.jsonl"),
    trajectories: join(dir, "trajectories.jsonl"),
    verdicts: join(dir, "verdicts.jsonl"),
    filter: join(dir, "filter.json"),
    checkpoints: join(dir, "checkpoints"),
    policy: join(dir, "policy"),
    report: join(dir, "report.md"),
    reportHtml: join(dir, "report.html"),
    evaluation: (stage) => join(dir, `evaluation-${stage}.jsonl`),
  };
}
