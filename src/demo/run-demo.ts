/**
 * The whole of SWiRL in one run, on nothing but a CPU: a world and a policy are made from the seed, the policy learns
 * from imperfect demonstrations (SFT), and is then improved by synthesize → process filter → step-wise RL. It is
 * evaluated on held-out questions before and after. Every stage is the package's own public function.
 *
 * Everything lies in the run directory. A run that was interrupted goes on where it stopped.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Estimate, improvement } from "../evaluate/summary.js";
import type { FilterTable } from "../filter/filter-table.js";
import { filterTrajectories } from "../filter/filter-trajectories.js";
import { journaledJudge } from "../judge/journaled-judge.js";
import { judgeSteps } from "../judge/judge-steps.js";
import { packageVersion } from "../native/load-addon.js";
import { NativePolicy } from "../policy/native-policy.js";
import { writeReport } from "../run-directory/report/write-report.js";
import { RunDirectory, writeJson } from "../run-directory/run-directory.js";
import { synthesize } from "../synthesize/synthesize.js";
import { sft } from "../train/sft.js";
import { train } from "../train/train.js";
import { readTrajectories } from "../trajectory/store.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { demonstratingPolicy } from "./demonstrating-policy.js";
import { DEMONSTRATION_MISTAKES } from "./demonstrator.js";
import { processJudge } from "./judges.js";
import { type DemoEvaluation, measurePolicy } from "./measure-policy.js";
import { MODEL_CONFIG, writePolicyFolder } from "./policy-folder.js";
import { DEMO_SETTINGS, type DemoSettings } from "./settings.js";
import { demoTask } from "./task.js";
import { createWorld } from "./world.js";

export type DemoStage = "demonstrate" | "sft" | "before" | "synthesize" | "judge" | "train" | "after";

export interface DemoProgress {
  stage: DemoStage;
  done: number;
  total: number | undefined;
  note?: string;
}

export interface DemoOptions {
  /** The run directory; new, or that of an interrupted demo. */
  output: string;
  seed?: number;
  device?: string;
  threads?: number;
  settings?: DemoSettings;
  signal?: AbortSignal;
  onProgress?: (progress: DemoProgress) => void;
}

export interface DemoResult {
  output: string;
  seed: number;
  report: string;
  /** Weights of the policy. */
  parameters: number;
  before: DemoEvaluation;
  after: DemoEvaluation;
  /** after − before on the same questions, paired. */
  improvement: { sampled: Estimate; greedy: Estimate };
  filter: FilterTable;
  seconds: Partial<Record<DemoStage | "all", number>>;
}

export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { output, seed = 0, device = "cpu", threads = 0, settings = DEMO_SETTINGS, signal } = options;
  const began = performance.now();
  const seconds: DemoResult["seconds"] = {};
  const timed = async <T>(stage: DemoStage, work: (report: Report) => Promise<T>): Promise<T> => {
    const started = performance.now();
    const report: Report = (done, total, note) =>
      options.onProgress?.({ stage, done, total, ...(note === undefined ? {} : { note }) });
    const result = await work(report);
    seconds[stage] = (performance.now() - started) / 1000;
    return result;
  };
  const run = await RunDirectory.open(output, {
    config: { demo: { seed, settings, model: MODEL_CONFIG, mistakes: DEMONSTRATION_MISTAKES } },
    seeds: { demo: seed },
    addon: packageVersion, // the loader takes no other
    device,
  });
  const at = (name: string) => join(run.dir, name);
  const world = createWorld(seed, settings.world);
  await writeJson(at("world.json"), world);
  const task = await demoTask(world.articles, settings.callLimit);
  const judge = processJudge();
  const stopping = signal ? { signal } : {};
  const load = (folder: string, trainable: boolean) =>
    NativePolicy.load(folder, { device, threads, trainable, maxBatch: 1024, ...stopping });
  const shape = {
    task,
    maxNewTokens: settings.maxNewTokens,
    concurrency: settings.concurrency,
    seed,
    ...stopping,
  };
  const measure = (policy: NativePolicy, stage: "before" | "after") =>
    timed(stage, (report) =>
      measurePolicy(world.heldOut, {
        ...shape,
        policy,
        judge,
        sampledFile: run.paths.evaluation(stage),
        greedyFile: at(`greedy-${stage}.jsonl`),
        onProgress: report,
      }),
    );

  // A policy that imitates imperfect demonstrations.
  const sftFolder = at("sft-policy");
  if (!existsSync(sftFolder)) {
    const model = at("new-policy");
    if (!existsSync(model)) await writePolicyFolder(model, seed);
    await using policy = await load(model, true);
    const demonstrations = await timed("demonstrate", (report) =>
      collect(
        synthesize(world.demonstrations, {
          ...shape,
          policy: demonstratingPolicy(policy, world.demonstrations),
          samples: 1,
          output: at("demonstrations.jsonl"),
          onProgress: ({ done, total }) => report(done, total),
        }),
        at("demonstrations.jsonl"),
      ),
    );
    await timed("sft", (report) =>
      sft({
        policy,
        trajectories: demonstrations,
        ...settings.sft,
        schedule: "cosine",
        seed,
        checkpoints: { folder: at("sft-checkpoints"), every: 250, keep: 1 },
        metricsFile: run.paths.sftMetrics,
        onStep: ({ step, loss }) => report(step, settings.sft.steps, `loss ${loss?.toFixed(3)}`),
        ...stopping,
      }),
    );
    await policy.save(sftFolder);
  }
  await using policy = await load(sftFolder, true);
  const before = await measure(policy, "before");

  // Stage 1: trajectories of this policy, kept where every step is judged good.
  const pool = await timed("synthesize", (report) =>
    collect(
      synthesize(world.train, {
        ...shape,
        policy,
        samples: settings.synthesize.samples,
        output: run.paths.trajectories,
        onProgress: ({ done, total }) => report(done, total),
      }),
      run.paths.trajectories,
    ),
  );
  await using journaled = await journaledJudge(judge, run.paths.verdicts);
  const { kept, table } = await timed("judge", async (report) => {
    const judged = judgeSteps(pool, {
      judge: journaled,
      onProgress: ({ trajectories, good, steps }) =>
        report(trajectories, pool.length, `${Math.round((100 * good) / steps)} % good`),
      ...stopping,
    });
    return await filterTrajectories(judged, { kind: "process", outcome: task.matcher, ...stopping });
  });
  await writeJson(run.paths.filter, table);

  // Stage 2: fresh actions in the kept states, rewarded by the judge.
  await timed("train", async (report) => {
    await using reference = await load(sftFolder, false);
    const { batchSize, samplesPerState, steps, lr, klWeight } = settings.train;
    await train({
      policy,
      reference,
      trajectories: kept,
      judge: journaled,
      batchSize,
      samplesPerState,
      steps,
      lr,
      klWeight,
      schedule: "linear",
      lrFloor: 0.1,
      maxNewTokens: settings.maxNewTokens,
      seed,
      checkpoints: { folder: run.paths.checkpoints, every: 20, keep: 1 },
      metricsFile: run.paths.metrics,
      onStep: ({ step, reward }) => report(step, steps, `reward ${reward?.toFixed(3)}`),
      ...stopping,
    });
  });
  const after = await measure(policy, "after");
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
    filter: table,
    seconds,
  };
}

type Report = (done: number, total: number | undefined, note?: string) => void;

function countWeights(policy: NativePolicy): number {
  return policy.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
}

/** What this run rolls out, and what an interrupted one had. */
async function collect(rollouts: AsyncIterable<Trajectory>, file: string): Promise<Trajectory[]> {
  for await (const _ of rollouts);
  const all: Trajectory[] = [];
  for await (const trajectory of readTrajectories(file)) all.push(trajectory);
  return all;
}
