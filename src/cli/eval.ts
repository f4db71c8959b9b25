/** `swirl eval`: test questions with live tools; accuracy with a 95 % interval, mean process label. */
import { existsSync } from "node:fs";
import type { EvaluationSummary } from "../evaluate/summary.js";
import { defined } from "./defined.js";
import { executeSubcommand } from "./execute-subcommand.js";
import { inRunDirectory } from "./in-run-directory.js";
import { testQuestions } from "./sections.js";
import { loadPolicy, required, type Session, weightsFolder } from "./session.js";
import { subcommand, TRACKERS_FLAG } from "./subcommand.js";
import { trackingOf } from "./tracking.js";
import { type Weights, weightsOption } from "./weights.js";

export const evalCommand = () =>
  subcommand({
    name: "eval",
    summary: "solve test questions and check the answers; writes evaluation-WEIGHTS.jsonl",
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
    customize: (command) => command.addOption(weightsOption()),
    resume: "Run the same command again: questions that are done are kept.",
    run: (invocation) => {
      const weights = invocation.own.weights as Weights | undefined;
      const check = async (session: Session) => {
        const { preflight } = await import("./preflight.js");
        await preflight(session, ["evaluate"], weightsFolder(session, weights ?? newest(session)));
      };
      return executeSubcommand(invocation, {
        plan: (session) => {
          const chosen = weights ?? newest(session);
          const { file, limit } = testQuestions(session);
          return [
            `solve ${limit ?? "all"} questions of ${file} with ${weightsFolder(session, chosen)}`,
            `write ${session.paths.evaluation(chosen)}, keeping what is there`,
          ];
        },
        check,
        execute: (session) => {
          const chosen = weights ?? newest(session);
          const run = () => evaluateStage(session, chosen);
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

export interface EvaluationResult {
  weights: Weights;
  model: string;
  summary: EvaluationSummary;
  file: string;
}

export async function evaluateStage(session: Session, weights: Weights): Promise<EvaluationResult> {
  const [{ evaluate }, { openTask }, { openQuestions }, { openJudge }] = await Promise.all([
    import("../evaluate/evaluate.js"),
    import("./open-task.js"),
    import("./open-questions.js"),
    import("./open-judge.js"),
  ]);
  const { config, paths, signal } = session;
  required(config, "task");
  const task = await openTask(session);
  const questions = await openQuestions(session, testQuestions(session));
  const folder = weightsFolder(session, weights);
  await using open = await openJudge(session, "judge");
  await using policy = await loadPolicy(session, folder, { trainable: false });
  const bar = session.progress(`eval ${weights}`);
  bar.update(0, questions.length);
  const { at: _, ...options } = config.evaluate;
  const output = paths.evaluation(weights);
  const { summary } = await evaluate(questions, {
    ...defined(config.rollout),
    ...options,
    policy,
    task,
    judge: open.judge,
    seed: config.seed,
    output,
    ...trackingOf(session, `evaluate-${weights}`),
    signal,
    onProgress: ({ done, total, correct, decided, notice }) => {
      if (notice) session.say(notice);
      bar.update(done, total, decided > 0 ? `${((100 * correct) / decided).toFixed(1)} % correct` : "");
    },
  });
  bar.stop();
  return { weights, model: folder, summary, file: output };
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`;

function estimate(
  name: string,
  { value, low, high, n }: { value: number; low: number; high: number; n: number },
): string {
  if (n === 0) return `${name.padEnd(20)} none: no answer could be compared with a gold answer`;
  return `${name.padEnd(20)} ${percent(value).padStart(7)}  95 % [${percent(low)}, ${percent(high)}], n = ${n}`;
}

export function formatEvaluation({ weights, model, summary, file }: EvaluationResult): string {
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
    `${weights}: ${model}`,
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
