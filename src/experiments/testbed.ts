/** What the cells of one seed work on: a task, questions, demonstrations, judges, and a policy to start from. */
import type { Judge } from "../judge/judge.js";
import type { NativePolicy } from "../policy/native-policy.js";
import type { RolloutOptions } from "../synthesize/rollout-options.js";
import type { Task } from "../synthesize/task.js";
import type { Question } from "../trajectory/question.js";
import type { Trajectory } from "../trajectory/trajectory.js";

export interface Testbed {
  task: Task;
  /** The judge that filters and rewards. */
  judge: Judge;
  /** As good as `judge`, with blind spots of its own; for cells that filter with another judge than rewards. */
  otherJudge?: Judge;
  /** Judges that only measure, by name: "oracle", "independent". */
  measuringJudges: Readonly<Record<string, Judge>>;
  maxNewTokens: number;
  /** Further options of every rollout. */
  rollout: Partial<Pick<RolloutOptions, "maxObservationTokens">>;
  concurrency: number;
  /** Updates between checkpoints within a cell. */
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
