/**
 * Stage 1: rolls out every question `samples` times with live tools (SWiRL, section 3.1).
 *
 * Yields trajectories as they end, so their order may vary between runs. Their content does not depend on
 * concurrency. With `output` each is appended to that file before it is yielded, and a second run resumes where the
 * first stopped: finished ids are skipped (and not yielded again), failed ones are rolled out again.
 */
import { z } from "zod";
import { mapConcurrent, requireIterable } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { JsonlWriter } from "../files/jsonl-writer.js";
import { resumeJsonl } from "../files/resume.js";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { type Policy, policySchema } from "../policy/policy.js";
import { type Question, requireQuestion } from "../trajectory/question.js";
import { readTrajectories } from "../trajectory/store.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { differsFrom } from "./differs-from.js";
import { FailureGuard } from "./failure-guard.js";
import { noQuestions } from "./no-questions.js";
import { rollout, trajectoryId } from "./rollout.js";
import { type RolloutOptions, rolloutShape, taskSchema } from "./rollout-options.js";
import { type RolloutSetup, rolloutSetup } from "./rollout-setup.js";
import type { Task } from "./task.js";

/** Progress of {@link synthesize}. */
export interface SynthesizeProgress {
  /** Name of the stage. */
  stage: "synthesize";
  /** Trajectories finished, including those of an earlier run. */
  done: number;
  /** Trajectories in all. Undefined when the questions are not an array. */
  total: number | undefined;
  /** Trajectories found finished in the output file. */
  skipped: number;
  /** Trajectories of this run that ended with "failed". */
  failed: number;
  /** Tokens sampled in this run. */
  tokens: number;
  /** Trajectories of this run by how they ended. */
  ends: Partial<Record<Trajectory["end"], number>>;
  /** A message for the user, such as a torn line of the output file that was set aside. */
  notice?: string;
}

/** Options of {@link synthesize}. */
export interface SynthesizeOptions extends RolloutOptions {
  /** The policy that acts. */
  policy: Policy;
  /** Prompt, tools, call limit and matcher: `searchTask(tool)`, `calculatorTask(tool)` or `defineTask({ … })`. */
  task: Task;
  /**
   * Trajectories per question, at least 1 (paper: 5).
   * @default 5
   */
  samples?: number | undefined;
  /**
   * Sampling temperature, 0 or more. 0 = greedy, which allows only one sample per question.
   * @default 1
   */
  temperature?: number | undefined;
  /**
   * Seed of all sampling, an integer. The same seed gives the same trajectories.
   * @default 0
   */
  seed?: number | undefined;
  /**
   * Trajectories in flight, 1 to 4096. The policy batches their actions.
   * @default 16
   */
  concurrency?: number | undefined;
  /** JSONL file to append to, and to resume from. */
  output?: string | undefined;
  /**
   * Number of trajectories failing in a row that ends the run with code ENDPOINT: the policy is down. At least 1.
   * @default 16
   */
  maxFailuresInARow?: number | undefined;
  /** Ends the run with code ABORTED. */
  signal?: AbortSignal | undefined;
  /** Called after each trajectory. */
  onProgress?: ((event: SynthesizeProgress) => unknown) | undefined;
}

export const synthesizeSchema = z.strictObject({
  policy: policySchema,
  task: taskSchema,
  samples: z.int().min(1).default(5),
  temperature: samplingTemperature.default(1),
  seed: z.int().default(0),
  concurrency: z.int().min(1).max(4096).default(16),
  output: z.string().min(1).optional(),
  maxFailuresInARow: z.int().min(1).default(16),
  signal: signalSchema.optional(),
  onProgress: callback<SynthesizeProgress>("onProgress").optional(),
  ...rolloutShape,
});

/**
 * Rolls out every question `samples` times with live tools, and yields the trajectories as they end.
 *
 * With `output`, each trajectory is appended to that file before it is yielded. A second call with the same file
 * resumes: finished trajectories are skipped and not yielded again; failed ones are rolled out again.
 *
 * @throws SwirlError CONFIG at once for bad options. While iterating: ABORTED; INPUT for no questions, an invalid
 * question or a repeated id; ENDPOINT when the policy keeps failing; RECORD when `output` holds trajectories of
 * another run.
 * @example
 * const policy = await Policy.load("models/qwen");
 * const task = calculatorTask(calculator());
 * for await (const trajectory of synthesize(readQuestions("train.jsonl"), { policy, task, output: "trajectories.jsonl" }))
 *   console.log(trajectory.end, trajectory.answer);
 */
export function synthesize(
  questions: Iterable<Question> | AsyncIterable<Question>,
  options: SynthesizeOptions,
): AsyncGenerator<Trajectory, void, undefined> {
  const parsed = parseOptions(synthesizeSchema, options, "synthesize");
  const { policy, task, samples, seed, concurrency, output, maxFailuresInARow, signal, onProgress, ...rest } =
    parsed;
  if (samples > 1 && rest.temperature === 0) {
    throw new SwirlError(
      "CONFIG",
      `samples: ${samples} trajectories at temperature 0 would all be the same`,
      {
        remedy: "raise temperature, or set samples to 1",
        details: { field: "samples" },
      },
    );
  }
  const setup = rolloutSetup(policy, task, { ...rest, seed });
  return run(questions, setup, parsed);
}

async function* run(
  questions: Iterable<Question> | AsyncIterable<Question>,
  setup: RolloutSetup,
  options: z.output<typeof synthesizeSchema>,
): AsyncGenerator<Trajectory, void, undefined> {
  const { samples, concurrency, signal } = options;
  const progress: SynthesizeProgress = {
    stage: "synthesize",
    done: 0,
    total: Array.isArray(questions) ? questions.length * samples : undefined,
    skipped: 0,
    failed: 0,
    tokens: 0,
    ends: {},
  };
  const report = (notice?: string) => {
    options.onProgress?.({
      ...progress,
      ends: { ...progress.ends },
      ...(notice !== undefined && { notice }),
    });
  };
  const finished = new Map<string, string>(); // id → question text
  const guard = new FailureGuard(options.maxFailuresInARow);
  const writer = options.output ? await openOutput(options.output, setup, finished, report) : undefined;
  try {
    const items = itemsOf(questions, samples, finished, options.output ?? "", () => {
      progress.skipped++;
      progress.done++;
      report();
    });
    const rollouts = mapConcurrent(
      items,
      concurrency,
      ({ question, sample }, inner) => rollout(question, sample, setup, inner),
      signal,
    );
    for await (const trajectory of rollouts) {
      await writer?.append(trajectory);
      progress.done++;
      progress.failed += trajectory.end === "failed" ? 1 : 0;
      progress.tokens += trajectory.steps.reduce((sum, step) => sum + step.action.length, 0);
      progress.ends[trajectory.end] = (progress.ends[trajectory.end] ?? 0) + 1;
      report();
      yield trajectory;
      guard.see(trajectory);
    }
  } finally {
    await writer?.close();
  }
}

interface Item {
  question: Question;
  sample: number;
}

async function* itemsOf(
  questions: Iterable<Question> | AsyncIterable<Question>,
  samples: number,
  finished: Map<string, string>,
  file: string,
  onSkip: () => void,
): AsyncGenerator<Item> {
  const seen = new Set<string>();
  requireIterable(questions);
  for await (const given of questions) {
    const question = requireQuestion(given, "synthesize");
    if (seen.has(question.id)) {
      throw new SwirlError("INPUT", `question id ${JSON.stringify(question.id)} appears twice`, {
        remedy: "ids name trajectories: give every question its own",
        details: { field: "id" },
      });
    }
    seen.add(question.id);
    for (let sample = 0; sample < samples; sample++) {
      const text = finished.get(trajectoryId(question.id, sample));
      if (text === undefined) {
        yield { question, sample };
        continue;
      }
      if (text !== question.question)
        throw otherRun(file, `question ${question.id} has a different text there`);
      onSkip();
    }
  }
  if (seen.size === 0) throw noQuestions("synthesize");
}

async function openOutput(
  file: string,
  setup: RolloutSetup,
  finished: Map<string, string>,
  report: (notice: string) => void,
): Promise<JsonlWriter> {
  return resumeJsonl<Trajectory>(file, {
    read: readTrajectories,
    keep: (trajectory) => {
      const difference = differsFrom(trajectory, setup);
      if (difference) throw otherRun(file, difference);
      if (trajectory.end === "failed" || finished.has(trajectory.id)) return false;
      finished.set(trajectory.id, trajectory.question);
      return true;
    },
    onTorn: (torn) =>
      report(
        `${torn.file}:${torn.line} is incomplete: it was moved to ${torn.keptAt} and is rolled out again`,
      ),
  });
}

function otherRun(file: string, difference: string): SwirlError {
  return new SwirlError("RECORD", `${file} holds trajectories of another run: ${difference}`, {
    remedy: "write to another file, or delete this one",
    details: { file },
  });
}
