/** What the jobs of one seed work on: a task, questions, demonstrations, judges, and a policy to start from. */
import type { Judge, NativePolicy, Question, RolloutOptions, Task, Trajectory } from "swirl-rl";

export interface Testbed {
  task: Task;
  /** The judge that filters and rewards. */
  judge: Judge;
  /** As good as `judge`, with different blind spots; for jobs that filter with another judge than rewards. */
  otherJudge?: Judge;
  /** Judges that only measure, by name: "oracle", "independent". */
  measuringJudges: Readonly<Record<string, Judge>>;
  maxNewTokens: number;
  /** Further options of every rollout. */
  rollout: Partial<Pick<RolloutOptions, "maxObservationTokens">>;
  concurrency: number;
  /** Updates between checkpoints within a job. */
  checkpointEvery: number;
  /** Whether evaluations are kept question by question. */
  keepsEvaluations: boolean;
  questions(name: string): Promise<Question[]>;
  /** The folder of the policy before any training. */
  start(): Promise<string>;
  demonstrations(
    name: string,
    policy: NativePolicy,
    options: { keepThoughts: boolean; signal: AbortSignal },
  ): Promise<Trajectory[]>;
  load(folder: string, trainable: boolean, signal: AbortSignal): Promise<NativePolicy>;
}
