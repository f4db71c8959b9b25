/** `swirl demo`: the whole method on a small invented world, in minutes, with nothing to download. */
import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import type { DemoProgress } from "../demo/demo-run.js";
import type { DemoEvaluation } from "../demo/measure-policy.js";
import type { DemoResult } from "../demo/run-demo.js";
import type { EvaluationRecord } from "../evaluate/evaluation-record.js";
import type { Estimate } from "../evaluate/summary.js";
import { print } from "./output.js";
import { type ProgressLine, progressLine } from "./progress-bar.js";
import { subcommand } from "./subcommand.js";
import { table } from "./table.js";

const TITLES: Record<DemoProgress["stage"], string> = {
  demonstrate: "demonstrate",
  sft: "sft",
  before: "eval before",
  synthesize: "synthesize",
  judge: "judge",
  train: "train",
  after: "eval after",
};

export const demoCommand = () =>
  subcommand({
    name: "demo",
    summary:
      "train a small policy on invented questions with SWiRL and compare; no download, no GPU, two minutes",
    withoutConfig: true,
    customize: (command) =>
      command
        .option("--output <dir>", "run directory; an interrupted demo there is resumed", "swirl-demo")
        .option("--seed <n>", "seed of the questions, the policy and all sampling", wholeNumber, 0)
        .option("--device <name>", "auto, cpu, cuda or cuda:N", "cpu")
        .option("--threads <n>", "CPU threads, 0 = every core", wholeNumber, 0),
    details:
      "Prints accuracy and mean process label on held-out questions before and after, with 95 % intervals.",
    resume: "Run the same command again: it resumes where it stopped.",
    run: async ({ own, json, signal }) => {
      const { runDemo } = await import("../demo/run-demo.js");
      let stage: DemoProgress["stage"] | undefined;
      let bar: ProgressLine | undefined;
      const result = await runDemo({
        output: resolve(String(own.output)),
        seed: own.seed as number,
        device: String(own.device),
        threads: own.threads as number,
        signal,
        onProgress: (progress) => {
          if (progress.stage !== stage) {
            bar?.stop();
            stage = progress.stage;
            bar = progressLine(TITLES[stage], { quiet: json });
          }
          bar?.update(progress.done, progress.total, progress.note);
        },
      });
      bar?.stop();
      print(json ? JSON.stringify(withoutRecords(result)) : format(result));
    },
  });

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a whole number.`);
}

function withoutRecords({ before, after, ...rest }: DemoResult) {
  const figures = ({ records: _, greedyRecords: __, ...evaluation }: DemoEvaluation) => evaluation;
  return { ...rest, before: figures(before), after: figures(after) };
}

const percent = (value: number) => (100 * value).toFixed(1);
const interval = ({ value, low, high }: Estimate) => `${percent(value)} [${percent(low)}, ${percent(high)}]`;
const signed = ({ value, low, high }: Estimate) =>
  `${value >= 0 ? "+" : ""}${percent(value)} [${percent(low)}, ${percent(high)}]`;

function format(result: DemoResult): string {
  const { before, after, improvement } = result;
  const row = (name: string, of: (evaluation: DemoEvaluation) => Estimate, gain = "") => [
    name,
    interval(of(before)),
    interval(of(after)),
    gain,
  ];
  return [
    "",
    table(
      [`held-out questions, n = ${before.sampled.accuracy.n}`, "before SWiRL", "after SWiRL", "difference"],
      [
        row("accuracy, %", ({ sampled }) => sampled.accuracy, signed(improvement.sampled)),
        row("accuracy, greedy, %", ({ greedy }) => greedy.accuracy, signed(improvement.greedy)),
        row("mean process label, %", ({ sampled, oracleLabel }) => sampled.processLabel ?? oracleLabel),
        row("the same by an oracle, %", ({ oracleLabel }) => oracleLabel),
      ],
    ),
    "In brackets: 95 % intervals.",
    ...example(before.records, after.records),
    "",
    `run directory ${result.output}`,
    `report        ${result.report}`,
    `time          ${Math.round(result.seconds.all ?? 0)} s`,
  ].join("\n");
}

/** The first question that was wrong before and is right after, with the steps of both policies. */
function example(before: readonly EvaluationRecord[], after: readonly EvaluationRecord[]): string[] {
  const later = new Map(after.map((record) => [record.id, record]));
  const was = before.find((record) => record.correct === false && later.get(record.id)?.correct);
  if (!was) return [];
  const { question, gold } = was.trajectory;
  return [
    "",
    `${question}   (${gold.join(" or ")})`,
    "  before",
    ...steps(was),
    "  after",
    ...steps(later.get(was.id)!),
  ];
}

function steps({ trajectory }: EvaluationRecord): string[] {
  return trajectory.steps.flatMap(({ text, observation }) => [
    `    → ${text.trim()}`,
    ...(observation ? [`    ← ${observation.text.trim()}`] : []),
  ]);
}
