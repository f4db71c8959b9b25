/** `swirl compare`: two evaluations of the same questions; the difference in accuracy with its paired interval. */
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { SwirlError } from "../errors/swirl-error.js";
import type { Comparison } from "../evaluate/compare.js";
import type { EvaluationRecord } from "../evaluate/evaluation-record.js";
import type { Estimate } from "../evaluate/summary.js";
import { print } from "./output.js";
import { say } from "./progress-bar.js";
import { subcommand } from "./subcommand.js";
import { table } from "./table.js";

export const compareCommand = () =>
  subcommand({
    name: "compare",
    summary: "compare two runs or evaluation files question by question",
    withoutConfig: true,
    customize: (command) =>
      command
        .argument("<before>", "run directory, or an evaluation file")
        .argument("[after]", "the same; without it, the last evaluation of the first run")
        .option(
          "--stage <name>",
          "evaluation of a run directory: base, start, trained, … (default: its last)",
        )
        .option("--common", "compare the questions in both, where the sets differ")
        .option("--limit <n>", "questions to list that changed sides, each way", wholeNumber, 10)
        .option("--seed <n>", "seed of the bootstrap", wholeNumber, 0),
    details:
      "Pairs the questions by id. Only those that both evaluations could check count. Intervals are 95 %; that of the\n" +
      "difference is a paired bootstrap. See docs/compare.md.",
    run: async ({ args, own, json, signal }) => {
      const { compareEvaluations } = await import("../evaluate/compare.js");
      const [first, second] = await evaluationFiles(args, own.stage as string | undefined);
      const note = (text: string) => {
        if (!json) say(text);
      };
      const before = await read(first, note, signal);
      const after = await read(second, note, signal);
      const comparison = compareEvaluations(before, after, {
        common: own.common === true,
        seed: own.seed as number,
      });
      const names: [string, string] = [nameOf(first, second), nameOf(second, first)];
      if (json) print(JSON.stringify({ files: [first, second], ...comparison }));
      else print(format(comparison, names, before, after, own.limit as number));
    },
  });

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a whole number.`);
}

/** The two files to compare: as given, or those of run directories. */
async function evaluationFiles(
  args: readonly string[],
  stage: string | undefined,
): Promise<[string, string]> {
  const [before, after] = args as [string, string | undefined];
  if (after !== undefined) return [await evaluationFile(before, stage), await evaluationFile(after, stage)];
  const stages = await stagesOf(before);
  const second = stage ?? stages.at(-1);
  if (stages.length < 2 || second === stages[0])
    throw new SwirlError("INPUT", `${before} has ${list(stages)}: there is nothing to compare it with`, {
      remedy: "name a second run or evaluation file, or evaluate once more with `swirl eval`",
      details: { file: before },
    });
  return [await evaluationFile(before, stages[0]), await evaluationFile(before, second)];
}

async function evaluationFile(path: string, stage: string | undefined): Promise<string> {
  if (!(await isFolder(path))) return resolve(path);
  const { runPaths } = await import("../run-directory/layout.js");
  const stages = await stagesOf(path);
  const chosen = stage ?? stages.at(-1);
  if (chosen === undefined || !stages.includes(chosen))
    throw new SwirlError(
      "INPUT",
      `${path} has no evaluation${stage ? ` "${stage}"` : ""}: it has ${list(stages)}`,
      {
        remedy: "evaluate with `swirl eval`, or name another stage with --stage",
        details: { file: path },
      },
    );
  return resolve(runPaths(path).evaluation(chosen));
}

async function stagesOf(folder: string): Promise<string[]> {
  if (!(await isFolder(folder)))
    throw new SwirlError("INPUT", `${folder} is a file: name a second one to compare it with`, {
      remedy: "swirl compare BEFORE AFTER, or swirl compare RUN",
      details: { file: folder },
    });
  const { evaluationStages } = await import("../run-directory/evaluations.js");
  return await evaluationStages(folder);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw new SwirlError("INPUT", `${path}: cannot be read (${(cause as Error).message})`, {
      remedy: "name a run directory or an evaluation file",
      details: { file: path },
      cause,
    });
  }
}

async function read(
  file: string,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<EvaluationRecord[]> {
  const [{ readEvaluations }, { throwIfAborted }] = await Promise.all([
    import("../evaluate/evaluation-record.js"),
    import("../async/map-concurrent.js"),
  ]);
  const records: EvaluationRecord[] = [];
  const onTorn = ({ line }: { line: number }) =>
    note(`${file}:${line} is unfinished and left out: the evaluation is running, or was killed`);
  for await (const record of readEvaluations(file, { onTorn })) {
    throwIfAborted(signal);
    records.push(record);
  }
  return records;
}

const list = (stages: readonly string[]) =>
  stages.length === 0 ? "no evaluation" : `the evaluations ${stages.join(", ")}`;

/** The shortest name that tells a file from the other one. */
function nameOf(file: string, other: string): string {
  const parts = file.split(/[\\/]/);
  const others = other.split(/[\\/]/);
  const stage = basename(file).replace(/^evaluation-|\.jsonl$/g, "");
  if (parts.at(-2) === others.at(-2)) return stage;
  return `${parts.at(-2)}/${stage}`;
}

const percent = (value: number) => (100 * value).toFixed(1);
const interval = ({ value, low, high }: Estimate) => `${percent(value)} [${percent(low)}, ${percent(high)}]`;

function format(
  comparison: Comparison,
  names: readonly [string, string],
  before: readonly EvaluationRecord[],
  after: readonly EvaluationRecord[],
  limit: number,
): string {
  const { questions, difference, gained, lost, bothRight, bothWrong } = comparison;
  const { low, high, value } = difference;
  const sign = value > 0 ? "+" : "";
  const verdict = low > 0 || high < 0 ? "the interval excludes 0" : "the interval includes 0";
  const left = [
    [comparison.unchecked, "could not be checked in both"],
    [comparison.onlyBefore, `only in ${names[0]}`],
    [comparison.onlyAfter, `only in ${names[1]}`],
  ] as const;
  return [
    table(
      [`${questions} questions`, "accuracy, % (95 %)"],
      [
        [names[0], interval(comparison.before)],
        [names[1], interval(comparison.after)],
        ["difference, paired", `${sign}${interval(difference)}`],
      ],
    ),
    verdict,
    ...left.filter(([count]) => count > 0).map(([count, why]) => `left out: ${count} ${why}`),
    "",
    `right both times ${bothRight}, wrong both times ${bothWrong}`,
    ...changed("was wrong, is right", gained, before, after, limit),
    ...changed("was right, is wrong", lost, before, after, limit),
  ].join("\n");
}

function changed(
  title: string,
  ids: readonly string[],
  before: readonly EvaluationRecord[],
  after: readonly EvaluationRecord[],
  limit: number,
): string[] {
  const answers = (records: readonly EvaluationRecord[]) =>
    new Map(
      records.map(({ id, trajectory }) => [
        id,
        oneLine(trajectory.answer ?? `no answer (${trajectory.end})`, 30),
      ]),
    );
  const [was, is] = [answers(before), answers(after)];
  const questions = new Map(before.map(({ id, trajectory }) => [id, trajectory]));
  return [
    `${title} ${ids.length}`,
    ...ids.slice(0, limit).flatMap((id) => {
      const { question, gold } = questions.get(id)!;
      return [
        `  ${oneLine(id, 40)}: ${oneLine(question, 90)}`,
        `    ${was.get(id)} → ${is.get(id)}   (${oneLine(gold.join(" or "), 40)})`,
      ];
    }),
    ...(ids.length > limit ? [`  … and ${ids.length - limit} more: --limit, --json, or swirl view`] : []),
  ];
}

/** Text of models and datasets on one line of a terminal: no control characters, no direction marks. */
function oneLine(text: string, limit: number): string {
  const flat = text
    .slice(0, 4 * limit)
    .replace(/[\s\p{Cc}]+/gu, " ")
    .replace(/\p{Cf}/gu, "")
    .trim();
  return flat.length > limit ? `${flat.slice(0, limit - 1)}…` : flat;
}
