/** `swirl eval`: sets of test questions with live tools; accuracy with a 95 % interval, mean process label. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { Option } from "commander";
import type { EvaluationSummary } from "../evaluate/summary.js";
import { defined } from "./defined.js";
import { executeSubcommand } from "./execute-subcommand.js";
import { inRunDirectory } from "./in-run-directory.js";
import type { OpenPolicy } from "./on-base-of.js";
import { type QuestionSet, questionSets } from "./question-sets.js";
import { testQuestions } from "./sections.js";
import { loadPolicy, required, type Session, weightsFolder } from "./session.js";
import { subcommand, TRACKERS_FLAG } from "./subcommand.js";
import { trackingOf } from "./tracking.js";
import { type Weights, weightsOption } from "./weights.js";

export const evalCommand = () =>
  subcommand({
    name: "eval",
    summary:
      "solve test questions, of one set or several, and check the answers; writes evaluation-WEIGHTS.jsonl",
    flags: [
      {
        flags: "--dataset <name>",
        path: "questions.test.dataset",
        help: "gsm8k, hotpotqa, musique, 2wikimultihopqa, beerqa, cofca, jsonl",
      },
      { flags: "--questions <file>", path: "questions.test.file", kind: "path", help: "the dataset's file" },
      {
        flags: "--limit <n>",
        path: "questions.test.limit",
        kind: "json",
        help: "questions to read (default: all)",
      },
      {
        flags: "--concurrency <n>",
        path: "evaluate.concurrency",
        kind: "json",
        help: "questions at once (default: 16)",
      },
      TRACKERS_FLAG,
      {
        flags: "--votes <n>",
        path: "evaluate.votes",
        kind: "json",
        help: "trajectories per question, one of which counts (default: 1); needs evaluate.temperature above 0",
      },
      {
        flags: "--select <how>",
        path: "evaluate.select",
        help: "which of them counts: majority (default) or judge (best of n)",
      },
    ],
    customize: (command) =>
      command
        .addOption(weightsOption())
        .addOption(
          new Option(
            "--only <names>",
            "sets of questions, names with commas: test (questions.test) or those of evaluate.sets (default: all)",
          ).argParser((text) => text.split(",").map((name) => name.trim())),
        ),
    resume: "Run the same command again: questions that are done are kept.",
    run: (invocation) => {
      const weights = invocation.own.weights as Weights | undefined;
      const only = invocation.own.only as string[] | undefined;
      const check = async (session: Session) => {
        const { preflight } = await import("./preflight.js");
        const folder = weightsFolder(session, weights ?? newest(session));
        for (const set of questionSets(session, only)) await preflight(set.session, ["evaluate"], folder);
      };
      return executeSubcommand(invocation, {
        plan: (session) => {
          const chosen = weights ?? newest(session);
          return questionSets(session, only).flatMap((set) => {
            const { file, limit } = testQuestions(set.session);
            return [
              `solve ${limit ?? "all"} questions of ${file} with ${weightsFolder(session, chosen)}`,
              `write ${set.session.paths.evaluation(chosen)}, keeping what is there`,
            ];
          });
        },
        check,
        execute: (session) => {
          const chosen = weights ?? newest(session);
          const run = () => evaluateStage(session, chosen, only);
          return inRunDirectory(session, { name: `evaluate ${chosen}`, check, run });
        },
        format: formatEvaluation,
      });
    },
  });

/** The weights of the last stage that has run in this directory. */
export function newest(session: Session): Weights {
  if (session.config.output === undefined) return "base";
  if (existsSync(`${session.paths.checkpoints}/latest`)) return "trained";
  return existsSync(`${session.paths.sftCheckpoints}/latest`) ? "start" : "base";
}

/** One set of questions, evaluated. */
export interface EvaluatedSet {
  summary: EvaluationSummary;
  file: string;
}

export interface EvaluationResult extends Partial<EvaluatedSet> {
  weights: Weights;
  model: string;
  /** The results of `evaluate.sets`, by name; those of `questions.test` are the result's own. */
  sets?: Record<string, EvaluatedSet>;
}

export async function evaluateStage(
  session: Session,
  weights: Weights,
  only?: readonly string[],
): Promise<EvaluationResult> {
  required(session.config, "task");
  const folder = weightsFolder(session, weights);
  const sets = questionSets(session, only);
  await using policy = await loadPolicy(session, folder, { trainable: false });
  const result: EvaluationResult = { weights, model: folder };
  for (const set of sets) {
    const evaluated = await evaluateSet(set, weights, { policy, folder });
    if (set.name === "test") Object.assign(result, evaluated);
    else result.sets = { ...result.sets, [set.name]: evaluated };
  }
  return result;
}

async function evaluateSet(
  { name, session }: QuestionSet,
  weights: Weights,
  solving: OpenPolicy,
): Promise<EvaluatedSet> {
  const [{ evaluate }, { openTask }, { openQuestions }, { openJudge }, { makeFolder }] = await Promise.all([
    import("../evaluate/evaluate.js"),
    import("./open-task.js"),
    import("./open-questions.js"),
    import("./open-judge.js"),
    import("../files/make-folder.js"),
  ]);
  const { config, paths, signal } = session;
  const task = await openTask(session);
  const questions = await openQuestions(session, testQuestions(session));
  const output = paths.evaluation(weights);
  await makeFolder(dirname(output));
  await using open = await openJudge(session, "judge", solving);
  const title = name === "test" ? `eval ${weights}` : `eval ${weights}, ${name}`;
  const bar = session.progress(title);
  bar.update(0, questions.length);
  const { at: _, sets: __, ...options } = config.evaluate;
  const { summary } = await evaluate(questions, {
    ...defined(config.rollout),
    ...options,
    policy: solving.policy,
    task,
    judge: open.judge,
    seed: config.seed,
    output,
    ...trackingOf(session, name === "test" ? `evaluate-${weights}` : `evaluate-${weights}-${name}`),
    signal,
    onProgress: ({ done, total, correct, decided, notice }) => {
      if (notice) session.say(notice);
      bar.update(done, total, decided > 0 ? `${((100 * correct) / decided).toFixed(1)} % correct` : "");
    },
  });
  bar.stop();
  return { summary, file: output };
}

/** Every evaluated set by name, "test" first. */
export function evaluatedSets({ summary, file, sets }: EvaluationResult): [string, EvaluatedSet][] {
  const test: [string, EvaluatedSet][] = summary && file ? [["test", { summary, file }]] : [];
  return [...test, ...Object.entries(sets ?? {})];
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`;

function estimate(
  name: string,
  { value, low, high, n }: { value: number; low: number; high: number; n: number },
): string {
  if (n === 0) return `${name.padEnd(20)} none: no answer could be compared with a gold answer`;
  return `${name.padEnd(20)} ${percent(value).padStart(7)}  95 % [${percent(low)}, ${percent(high)}], n = ${n}`;
}

export function formatEvaluation(result: EvaluationResult): string {
  const head = `${result.weights}: ${result.model}`;
  const sets = evaluatedSets(result);
  if (sets.length === 1 && sets[0]![0] === "test") return [head, formatSet(sets[0]![1])].join("\n");
  return [head, ...sets.map(([name, set]) => `\n${name}\n${formatSet(set)}`)].join("\n");
}

function formatSet({ summary, file }: EvaluatedSet): string {
  const { accuracy, f1, processLabel, toolCallsPerQuestion, ends, undecided, malformed } = summary;
  const counts = (name: string, table: Record<string, number>) =>
    Object.keys(table).length === 0
      ? []
      : [
          `${name.padEnd(20)} ${Object.entries(table)
            .map(([key, n]) => `${key} ${n}`)
            .join(", ")}`,
        ];
  return [
    estimate("accuracy", accuracy),
    estimate("F1", f1),
    ...(processLabel ? [estimate("mean process label", processLabel)] : []),
    `${"calls per question".padEnd(20)} ${toolCallsPerQuestion.toFixed(2)}`,
    ...counts("ends", ends),
    ...counts("malformed", malformed),
    ...counts("undecided", undecided),
    file,
  ].join("\n");
}
