/** The files and folders of a run directory. */
import { join } from "node:path";

/** Paths of everything in a run directory. */
export interface RunPaths {
  /** The config with every default filled in (JSON). */
  config: string;
  /** Versions, seeds, input hashes and sessions of the run (JSON): a {@link Manifest}. */
  manifest: string;
  /** One record per update of RL (JSONL): a {@link TrainRecord}. */
  metrics: string;
  /** Fresh actions of each update with their rewards and advantages (JSONL): an {@link ActionsRecord}. */
  actions: string;
  /** Time spent in the engine, one key per stage (JSON). Written only with `profile`. */
  profile: string;
  /** One record per update of SFT (JSONL). */
  sftMetrics: string;
  /** Demonstrations as trajectories (JSONL). */
  demonstrations: string;
  /** Trajectories of stage 1 (JSONL). */
  trajectories: string;
  /** Verdicts of the judge (JSONL). */
  verdicts: string;
  /** The filter's table (JSON): a {@link FilterTable}. */
  filter: string;
  /** Vectors of a corpus that is searched by embeddings. */
  embeddings: string;
  /** The trajectories that the filter kept (JSONL). */
  kept: string;
  /** Folder of SFT checkpoints. Its `latest` is a model folder. */
  sftCheckpoints: string;
  /** Folder of RL checkpoints. Its `latest` is a model folder. */
  checkpoints: string;
  /** Results of the finished stages of `swirl run` (JSON). */
  stages: string;
  /** The trained policy, as a model folder. */
  policy: string;
  /** The report as Markdown. */
  report: string;
  /** The report as one HTML page. */
  reportHtml: string;
  /** The evaluation file (JSONL) of a stage of the run: "before", "after", … */
  evaluation: (stage: string) => string;
  /** The folder of a further set of test questions. Its files have the names that they have in a run directory. */
  set: (name: string) => string;
}

export function runPaths(dir: string): RunPaths {
  return {
    config: join(dir, "config.resolved.json"),
    manifest: join(dir, "manifest.json"),
    metrics: join(dir, "metrics.jsonl"),
    actions: join(dir, "actions.jsonl"),
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
    set: (name) => join(dir, "sets", name),
  };
}
