/**
 * `swirl run`: the whole loop into one run directory. (sft) → synthesize → judge → filter → train, and an evaluation
 * of each of the weights that config `evaluate.at` names. Every stage resumes where it stopped; stages.json holds the
 * results of each finished one, so a second run of the same config skips what the first one finished.
 *
 * Mistakes in any stage that can be found in advance are found before the first one begins (preflight.ts). When the
 * filter keeps nothing, the run ends there with its report. The filter then counts as not done, so that another one may
 * be tried.
 */
import { throwIfAborted } from "../async/map-concurrent.js";
import type { RunDirectory } from "../run-directory/run-directory.js";
import { type EvaluationResult, evaluatedSets, evaluateStage } from "./eval.js";
import { executeSubcommand } from "./execute-subcommand.js";
import { type FilterStageResult, filterStage, NOTHING_KEPT } from "./filter.js";
import { judgeStage } from "./judge.js";
import type { Work } from "./preflight-options.js";
import { questionSets } from "./question-sets.js";
import { completeConfig, mayChange, type StageName } from "./run-config.js";
import { testQuestions, trainQuestions } from "./sections.js";
import { required, type Session } from "./session.js";
import { sftStage } from "./sft.js";
import { LORA_FLAG, subcommand, TRACKERS_FLAG } from "./subcommand.js";
import { synthesizeStage } from "./synthesize.js";
import { table } from "./table.js";
import { trainStage } from "./train.js";
import type { Weights } from "./weights.js";

export const runCommand = () =>
  subcommand({
    name: "run",
    summary: "the whole loop: sft, synthesize, judge, filter, train, evaluate before and after",
    details: "Examples of configs: examples/gsm8k and examples/hotpotqa. Every key: docs/configuration.md.",
    flags: [LORA_FLAG, TRACKERS_FLAG],
    resume: "Run the same command again: every stage resumes where it stopped.",
    run: (invocation) =>
      executeSubcommand(invocation, {
        plan: (session) => {
          required(session.config, "model");
          required(session.config, "task");
          trainQuestions(session);
          testQuestions(session);
          return [
            `in ${session.paths.config.replace(/[^/]*$/, "")}`,
            ...stages(session).map(({ name }) => name),
          ];
        },
        check,
        execute: runStages,
        format: ({ text }) => text,
        exitCode: ({ stages: done }) => (done.train === undefined ? NOTHING_KEPT : 0),
      }),
  });

interface Stage {
  name: StageName;
  work: Work;
  run: (session: Session) => Promise<unknown>;
}

/** Only of the stages that are left: the judge of a finished stage need not be reachable. */
async function check(session: Session): Promise<void> {
  const [{ preflight }, done] = await Promise.all([
    import("./preflight.js"),
    readStages(session.paths.stages),
  ]);
  const left = stages(session).filter(({ name }) => done[name] === undefined);
  if (left.length === 0) return;
  const model = required(session.config, "model");
  await preflight(
    session,
    left.map(({ work }) => work),
    model,
  );
  if (!left.some(({ work }) => work === "evaluate")) return;
  for (const set of questionSets(session))
    if (set.name !== "test") await preflight(set.session, ["evaluate"], model);
}

function stages({ config }: Session): Stage[] {
  const evaluations = (weights: Weights): Stage[] =>
    config.evaluate.at.includes(weights)
      ? [{ name: `evaluate ${weights}`, work: "evaluate", run: (session) => evaluateStage(session, weights) }]
      : [];
  return [
    ...evaluations("base"),
    ...(config.sft ? [{ name: "sft", work: "sft", run: sftStage } satisfies Stage] : []),
    ...evaluations("start"),
    { name: "synthesize", work: "synthesize", run: synthesizeStage },
    { name: "judge", work: "judge", run: judgeStage },
    { name: "filter", work: "filter", run: filterStage },
    { name: "train", work: "train", run: trainStage },
    ...evaluations("trained"),
  ];
}

interface RunResult {
  folder: string;
  report: string;
  stages: Record<string, unknown>;
  text: string;
}

async function runStages(session: Session): Promise<RunResult> {
  const { paths } = session;
  await check(session);
  session.say("reading the inputs …");
  await using directory = await openDirectory(session);
  const done = await readStages(paths.stages);
  const { writeJson } = await import("../files/json-file.js");
  for (const { name, run } of stages(session)) {
    if (done[name] !== undefined) {
      session.say(`${name}: done before`);
      continue;
    }
    throwIfAborted(session.signal);
    session.say(`${name} …`);
    const started = performance.now();
    const result = (await run(session)) as object;
    done[name] = { ...result, seconds: Math.round((performance.now() - started) / 100) / 10 };
    if (name === "filter" && (result as FilterStageResult).table.handedOn === 0) break;
    await writeJson(paths.stages, done);
  }
  const { writeReport } = await import("../report/write-report.js");
  const { markdown } = await writeReport(directory.dir);
  return {
    folder: directory.dir,
    report: markdown,
    stages: done,
    text: summary(done, directory.dir, markdown),
  };
}

async function openDirectory({ config, paths }: Session): Promise<RunDirectory> {
  const [{ RunDirectory }, { loadAddonFrom }] = await Promise.all([
    import("../run-directory/run-directory.js"),
    import("../native/load-addon.js"),
  ]);
  const { evaluate, questions, sft, task } = config;
  const files: Record<string, string | undefined> = {
    model: config.model,
    train: questions.train?.file,
    test: questions.test?.file,
    sft: sft?.trajectories ?? sft?.demonstrations?.file,
    ...Object.fromEntries(
      Object.entries(evaluate.sets ?? {}).map(([name, set]) => [`set ${name}`, set.questions.file]),
    ),
    ...(task?.kind === "search"
      ? Object.fromEntries([task.corpus].flat().map((file, i) => [`corpus ${i + 1}`, file]))
      : {}),
  };
  const inputs = Object.fromEntries(
    Object.entries(files).filter((entry): entry is [string, string] => !!entry[1]),
  );
  const { output, ...rest } = config;
  return RunDirectory.open(required(config, "output"), {
    config: rest, // a run that was moved is the same run
    inputs,
    seeds: { run: config.seed },
    addon: loadAddonFrom().addon.version,
    device: config.device,
    mayChange: (key) => mayChange(paths, key),
    complete: completeConfig,
  });
}

async function readStages(file: string): Promise<Record<string, unknown>> {
  const [{ readJson }, { z }] = await Promise.all([import("../files/json-file.js"), import("zod")]);
  const stage = z.looseObject({ seconds: z.number() });
  return (
    (await readJson(
      file,
      z.record(z.string(), stage),
      "delete it and run again: every stage then finds its own records and resumes from them",
    )) ?? {}
  );
}

function summary(done: Record<string, unknown>, folder: string, report: string): string {
  const evaluations = Object.entries(done).flatMap(([name, result]) =>
    name.startsWith("evaluate ") ? [result as EvaluationResult & { seconds: number }] : [],
  );
  const percent = (value: number) => (100 * value).toFixed(1);
  const rows = evaluations.flatMap((result) =>
    evaluatedSets(result).map(
      ([
        name,
        {
          summary: { accuracy, processLabel, toolCallsPerQuestion },
        },
      ]) => [
        name === "test" ? result.weights : `${result.weights}, ${name}`,
        percent(accuracy.value),
        `[${percent(accuracy.low)}, ${percent(accuracy.high)}]`,
        String(accuracy.n),
        processLabel ? percent(processLabel.value) : "–",
        processLabel ? `[${percent(processLabel.low)}, ${percent(processLabel.high)}]` : "",
        toolCallsPerQuestion.toFixed(2),
      ],
    ),
  );
  const times = Object.entries(done).map(([name, result]) => [
    name,
    (result as { seconds: number }).seconds.toFixed(1),
  ]);
  return [
    table(["weights", "accuracy %", "95 %", "n", "process label %", "95 %", "calls"], rows),
    "",
    table(["stage", "seconds"], times),
    "",
    (done.filter as { text?: string } | undefined)?.text ?? "",
    "",
    `run directory ${folder}`,
    `report        ${report}`,
  ].join("\n");
}
