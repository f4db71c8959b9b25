/**
 * Evaluates a policy: answers every question once with live tools, compares the answer with the accepted ones, and,
 * with a judge, judges every step.
 *
 * An unchecked answer (no gold, a failed check, a policy that could not act) is excluded from accuracy and counted
 * separately. With `output` each question is a line of that file, and a second run resumes where the first stopped;
 * questions whose rollout, check or judgment failed are done again. The summary covers the given questions, in order.
 */
import { z } from "zod";
import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { matcherSchema } from "../answers/match-answer.js";
import { mapConcurrent, requireIterable } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Judge } from "../judge/judge.js";
import { judgeSchema } from "../judge/judge.js";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { type Policy, policySchema } from "../policy/policy.js";
import { FailureGuard } from "../synthesize/failure-guard.js";
import { noQuestions } from "../synthesize/no-questions.js";
import { type RolloutOptions, rolloutShape, taskSchema } from "../synthesize/rollout-options.js";
import { rolloutSetup } from "../synthesize/rollout-setup.js";
import type { Task } from "../synthesize/task.js";
import {
  type TrackedEnd,
  type Tracker,
  type TrackerName,
  type TrackingOptions,
  trackersSchema,
  trackingSchema,
} from "../trackers/tracker.js";
import { Tracking } from "../trackers/tracking.js";
import { type Question, requireGold, requireQuestion } from "../trajectory/question.js";
import { checkVote, type VoteOptions, vote, voteShape, voteTemperature } from "../voting/vote.js";
import { checkTrajectory } from "./check-trajectory.js";
import { evaluationMetrics, TRAJECTORY_COLUMNS, trajectoryRows } from "./evaluation-metrics.js";
import { openOutput, otherRun } from "./evaluation-output.js";
import type { EvaluationRecord } from "./evaluation-record.js";
import { type EvaluationSummary, summarize } from "./summary.js";

/** Progress of {@link evaluate}. */
export interface EvaluateProgress {
  /** Name of the stage. */
  stage: "evaluate";
  /** Questions finished, including those of an earlier run. */
  done: number;
  /** Questions in all. */
  total: number | undefined;
  /** Questions found finished in the output file. */
  skipped: number;
  /** Questions answered correctly. */
  correct: number;
  /** Questions whose answer could be checked. */
  decided: number;
  /** A message for the user, such as a torn line of the output file that was set aside. */
  notice?: string;
}

/** Options of {@link evaluate}. */
export interface EvaluateOptions extends RolloutOptions, VoteOptions {
  /** The policy to evaluate. */
  policy: Policy;
  /** Prompt, tools, call limit and matcher: `searchTask(tool)`, `calculatorTask(tool)` or `defineTask({ … })`. */
  task: Task;
  /** Decides `correct`. Default: the task's matcher (exact match for search, numeric for the calculator). */
  matcher?: AnswerMatcher | undefined;
  /** Judges every step, for the mean process label. Default: steps are not judged. */
  judge?: Judge | undefined;
  /** Sampling temperature, 0 or more; 0 = greedy. Default: 0, or 0.7 for several votes. */
  temperature?: number | undefined;
  /**
   * Seed of all sampling, an integer.
   * @default 0
   */
  seed?: number | undefined;
  /**
   * Questions in flight, 1 to 4096. The policy batches their actions.
   * @default 16
   */
  concurrency?: number | undefined;
  /** JSONL file to append to, and to resume from. */
  output?: string | undefined;
  /**
   * Number of rollouts failing in a row that ends the run with code ENDPOINT: the policy is down. At least 1.
   * @default 16
   */
  maxFailuresInARow?: number | undefined;
  /** Where the results are shown as well: by name, or trackers of your own. docs/trackers.md. */
  trackers?: (TrackerName | Tracker)[] | undefined;
  /** What the trackers are told about this evaluation. */
  tracking?: TrackingOptions | undefined;
  /** Ends the run with code ABORTED. */
  signal?: AbortSignal | undefined;
  /** Called after each question. */
  onProgress?: ((event: EvaluateProgress) => unknown) | undefined;
}

export const evaluateSchema = z.strictObject({
  policy: policySchema,
  task: taskSchema,
  matcher: matcherSchema.optional(),
  judge: judgeSchema.optional(),
  temperature: samplingTemperature.optional(),
  seed: z.int().default(0),
  concurrency: z.int().min(1).max(4096).default(16),
  output: z.string().min(1).optional(),
  maxFailuresInARow: z.int().min(1).default(16),
  trackers: trackersSchema.optional(),
  tracking: trackingSchema.optional(),
  signal: signalSchema.optional(),
  onProgress: callback<EvaluateProgress>("onProgress").optional(),
  ...rolloutShape,
  ...voteShape,
});

/** Result of {@link evaluate}. */
export interface Evaluation {
  /** Accuracy and the other rates, with their intervals. */
  summary: EvaluationSummary;
  /** One record per question, in the order of the questions. */
  records: EvaluationRecord[];
}

/**
 * Answers every question once, checks the answers, and summarizes the results with 95 % intervals. With `votes`, each
 * question is rolled out several times and one of the trajectories counts.
 *
 * All questions are read first. Without a judge, at least one question needs an accepted answer.
 *
 * @throws SwirlError CONFIG for bad options; INPUT for no questions, an invalid question, a repeated id, or questions
 * without any accepted answer; ABORTED; ENDPOINT when the policy keeps failing; RECORD when `output` holds another run.
 * @example
 * const { summary } = await evaluate(readQuestions("test.jsonl"), { policy, task });
 * const { value, low, high } = summary.accuracy;
 */
export async function evaluate(
  questions: Iterable<Question> | AsyncIterable<Question>,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const given = parseOptions(evaluateSchema, options, "evaluate");
  const parsed = { ...given, temperature: given.temperature ?? voteTemperature(given.votes) };
  const { policy, task, judge, concurrency, output, maxFailuresInARow, signal, onProgress, ...more } = parsed;
  const { trackers, tracking, ...rest } = more;
  const matcher = parsed.matcher ?? task.matcher;
  checkVote(parsed, "evaluate");
  const choice = { votes: parsed.votes, select: parsed.select, judge };
  const setup = rolloutSetup(policy, task, rest);
  const asked = await distinctQuestions(questions);
  if (!judge) requireGold(asked, "evaluate");
  const progress: EvaluateProgress = {
    stage: "evaluate",
    done: 0,
    total: asked.length,
    skipped: 0,
    correct: 0,
    decided: 0,
  };
  const finished = new Map<string, EvaluationRecord>();
  const note = (notice: string) => onProgress?.({ ...progress, notice });
  const writer = output
    ? await openOutput(output, { setup, matcher, judge, choice }, finished, note)
    : undefined;

  const order = new Map(asked.map(({ id }, at) => [id, at]));
  const records: EvaluationRecord[] = [];
  const guard = new FailureGuard(maxFailuresInARow);
  const take = (record: EvaluationRecord) => {
    records.push(record);
    progress.done++;
    progress.decided += record.correct === null ? 0 : 1;
    progress.correct += record.correct ? 1 : 0;
    onProgress?.({ ...progress });
  };
  async function* remaining(): AsyncGenerator<Question> {
    for (const question of asked) {
      const before = finished.get(question.id);
      if (!before) {
        yield question;
        continue;
      }
      if (output && before.trajectory.question !== question.question) {
        throw otherRun(output, `question ${question.id} has a different text there`);
      }
      progress.skipped++;
      take(before);
    }
  }
  let tracked: Tracking | undefined;
  let end: TrackedEnd = "failed";
  try {
    tracked = await Tracking.open({
      stage: "evaluate",
      trackers,
      tracking,
      config: { ...rest, policy: policy.id, task: task.name, judge: judge?.id, questions: asked.length },
      resumedFrom: 0,
      note,
    });
    const evaluated = mapConcurrent(
      remaining(),
      concurrency,
      async (question, inner) =>
        checkTrajectory(await vote(question, setup, choice, inner), choice, matcher, judge, inner),
      signal,
    );
    for await (const record of evaluated) {
      await writer?.append(record);
      take(record);
      guard.see(record.trajectory);
    }
    records.sort((a, b) => order.get(a.id)! - order.get(b.id)!);
    const summary = summarize(records);
    tracked.log(0, evaluationMetrics(summary));
    tracked.table(
      "trajectories",
      0,
      TRAJECTORY_COLUMNS,
      trajectoryRows(records.slice(0, tracked.samplesAt(0))),
    );
    end = "finished";
    return { summary, records };
  } finally {
    await writer?.close();
    await tracked?.close(signal?.aborted ? "aborted" : end);
  }
}

async function distinctQuestions(
  questions: Iterable<Question> | AsyncIterable<Question>,
): Promise<Question[]> {
  const asked: Question[] = [];
  const seen = new Set<string>();
  requireIterable(questions);
  for await (const given of questions) {
    const question = requireQuestion(given, "evaluate");
    if (seen.has(question.id)) throw twice(question);
    seen.add(question.id);
    asked.push(question);
  }
  if (asked.length === 0) throw noQuestions("evaluate");
  return asked;
}

function twice(question: Question): SwirlError {
  return new SwirlError("INPUT", `question id ${JSON.stringify(question.id)} appears twice`, {
    remedy: "give every question its own id",
    details: { field: "id" },
  });
}
