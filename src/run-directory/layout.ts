/** Where things lie in a run directory. */
import { join } from "node:path";

export interface RunPaths {
  config: string;
  manifest: string;
  metrics: string;
  /** Where the engine's time went, a key a stage; with `profile` only. */
  profile: string;
  sftMetrics: string;
  /** Demonstrations as the policy would have written them. */
  demonstrations: string;
  trajectories: string;
  verdicts: string;
  /** The filter's table, as JSON. */
  filter: string;
  /** Vectors of a corpus that is searched by embeddings. */
  embeddings: string;
  /** The trajectories that the filter hands on. */
  kept: string;
  sftCheckpoints: string; // folder; its `latest` is a model folder
  checkpoints: string; // folder; its `latest` is a model folder
  /** What each finished stage of `swirl run` gave, as JSON. */
  stages: string;
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
    profile: join(dir, "profile.json"),
    sftMetrics: join(dir, "sft-metrics.jsonl"),
    demonstrations: join(dir, "demonstrations.jsonl"),
    trajectories: join(dir, "trajectories.jsonl"),
    verdicts: join(dir, "verdicts.jsonl"),
    filter: join(dir, "filter.json"),
    embeddings: join(dir, "embeddings.bin"),
    kept: join(dir, "kept.jsonl"),
    sftCheckpoints: join(dir, "sft-checkpoints"),
    checkpoints: join(dir, "checkpoints"),
    stages: join(dir, "stages.json"),
    policy: join(dir, "policy"),
    report: join(dir, "report.md"),
    reportHtml: join(dir, "report.html"),
    evaluation: (stage) => join(dir, `evaluation-${stage}.jsonl`),
  };
}
