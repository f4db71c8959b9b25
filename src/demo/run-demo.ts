/**
 * The whole of SWiRL in one run on a CPU. A world and a policy are made from the seed. The policy learns from imperfect
 * demonstrations (SFT) and is then improved: synthesize → process filter → step-wise RL. It is evaluated on held-out
 * questions before and after. Every stage is a public function of the package.
 *
 * All files are in the run directory. An interrupted run resumes where it stopped.
 */
import { existsSync } from "node:fs";
import {
  type Estimate,
  type FilterTable,
  filterTrajectories,
  improvement,
  journaledJudge,
  judgeSteps,
  type NativePolicy,
  readTrajectories,
  sft,
  synthesize,
  type Trajectory,
  train,
  writeJson,
  writeReport,
} from "../index.js";
import { type Demo, type DemoOptions, type DemoStage, openDemo, openRun } from "./demo-run.js";
import { demonstratingPolicy } from "./demonstrating-policy.js";
import { type DemoEvaluation, measurePolicy } from "./measure-policy.js";
import { writePolicyFolder } from "./policy-folder.js";

/** An improvement of the demo's policy: after − before, on the same questions. */
export interface DemoImprovement {
  /** Of the sampled accuracy. */
  sampled: Estimate;
  /** Of the greedy accuracy. */
  greedy: Estimate;
}

/** What a demo measured. */
export interface DemoResult {
  /** The run directory. */
  output: string;
  /** The seed. */
  seed: number;
  /** Path of the report, in Markdown. */
  report: string;
  /** Number of weights of the policy. */
  parameters: number;
  /** The policy after SFT. */
  before: DemoEvaluation;
  /** The policy after step-wise RL. */
  after: DemoEvaluation;
  /** How much it gained, paired. */
  improvement: DemoImprovement;
  /** What the process filter kept. */
  filter: FilterTable;
  /** Seconds by stage, and in all. Stages that an earlier run had finished are missing. */
  seconds: Partial<Record<DemoStage | "all", number>>;
}

/**
 * Runs the demo: `swirl demo` as a function.
 *
 * @throws SwirlError CONFIG when `output` holds another run, ABORTED.
 * @example
 * const { improvement } = await runDemo({ output: "runs/demo", seed: 0 });
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const began = performance.now();
  await using run = await openRun(options);
  const demo = await openDemo(run, options);
  const { seed, seconds } = demo;
  const imitator = await imitate(demo);
  await using policy = await demo.load(imitator, true);
  const before = await measure(demo, policy, "before");
  const filter = await improve(demo, policy, imitator);
  const after = await measure(demo, policy, "after");
  await policy.save(run.paths.policy);
  const gain = (records: "records" | "greedyRecords") =>
    improvement(before[records], after[records])!.accuracy;
  const { markdown } = await writeReport(run.dir, { title: `swirl demo, seed ${seed}` });
  seconds.all = (performance.now() - began) / 1000;
  return {
    output: run.dir,
    seed,
    report: markdown,
    parameters: countWeights(policy),
    before,
    after,
    improvement: { sampled: gain("records"), greedy: gain("greedyRecords") },
    filter,
    seconds,
  };
}

/** A new policy, trained to imitate imperfect demonstrations; the folder it is saved in. */
async function imitate(demo: Demo): Promise<string> {
  const { run, seed, settings, world, file, timed } = demo;
  const folder = file("sft-policy");
  if (existsSync(folder)) return folder;
  const untrained = file("new-policy");
  if (!existsSync(untrained)) await writePolicyFolder(untrained, seed);
  await using policy = await demo.load(untrained, true);
  const output = file("demonstrations.jsonl");
  const demonstrations = await timed("demonstrate", (report) =>
    collect(
      synthesize(world.demonstrations, {
        ...demo.rollouts,
        policy: demonstratingPolicy(policy, world.demonstrations),
        samples: 1,
        output,
        onProgress: ({ done, total }) => report(done, total),
      }),
      output,
    ),
  );
  await timed("sft", (report) =>
    sft({
      policy,
      trajectories: demonstrations,
      ...settings.sft,
      schedule: "cosine",
      seed,
      checkpoints: { folder: file("sft-checkpoints"), every: 250, keep: 1 },
      metricsFile: run.paths.sftMetrics,
      onStep: ({ step, loss }) => report(step, settings.sft.steps, `loss ${loss?.toFixed(3)}`),
      ...demo.stopping,
    }),
  );
  await policy.save(folder);
  return folder;
}

/** SWiRL: trajectories of this policy, kept where every step is judged good; then RL on fresh actions in their states. */
async function improve(demo: Demo, policy: NativePolicy, imitator: string): Promise<FilterTable> {
  const { run, settings, timed, stopping } = demo;
  const pool = await timed("synthesize", (report) =>
    collect(
      synthesize(demo.world.train, {
        ...demo.rollouts,
        policy,
        samples: settings.synthesize.samples,
        output: run.paths.trajectories,
        onProgress: ({ done, total }) => report(done, total),
      }),
      run.paths.trajectories,
    ),
  );
  await using judge = await journaledJudge(demo.judge, run.paths.verdicts);
  const { kept, table } = await timed("judge", async (report) => {
    const judged = judgeSteps(pool, {
      judge,
      onProgress: ({ trajectories, good, steps }) =>
        report(trajectories, pool.length, `${Math.round((100 * good) / steps)} % good`),
      ...stopping,
    });
    return await filterTrajectories(judged, {
      kind: "process",
      outcome: demo.task.matcher, // for the table only
      ...stopping,
    });
  });
  await writeJson(run.paths.filter, table);

  await timed("train", async (report) => {
    await using reference = await demo.load(imitator, false);
    await train({
      policy,
      reference,
      trajectories: kept,
      judge,
      ...settings.train,
      schedule: "linear",
      lrFloor: 0.1,
      maxNewTokens: settings.maxNewTokens,
      seed: demo.seed,
      checkpoints: { folder: run.paths.checkpoints, every: 20, keep: 1 },
      metricsFile: run.paths.metrics,
      actionsFile: run.paths.actions,
      onStep: ({ step, reward }) => report(step, settings.train.steps, `reward ${reward?.toFixed(3)}`),
      ...stopping,
    });
  });
  return table;
}

function measure(demo: Demo, policy: NativePolicy, stage: "before" | "after"): Promise<DemoEvaluation> {
  return demo.timed(stage, (report) =>
    measurePolicy(demo.world.heldOut, {
      ...demo.rollouts,
      policy,
      judge: demo.judge,
      sampledFile: demo.run.paths.evaluation(stage),
      greedyFile: demo.file(`greedy-${stage}.jsonl`),
      onProgress: report,
    }),
  );
}

function countWeights(policy: NativePolicy): number {
  return policy.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
}

/** The trajectories of this run, and those of the interrupted run that it resumes. */
async function collect(rollouts: AsyncIterable<Trajectory>, file: string): Promise<Trajectory[]> {
  for await (const _ of rollouts);
  const all: Trajectory[] = [];
  for await (const trajectory of readTrajectories(file)) all.push(trajectory);
  return all;
}
