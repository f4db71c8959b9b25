/** What all parts of a demo share: its run directory, world, task, judge and options, made from the seed. */
import { join } from "node:path";
import { type Judge, NativePolicy, packageVersion, RunDirectory, type Task, writeJson } from "../index.js";
import { DEMONSTRATION_MISTAKES } from "./demonstrator.js";
import { processJudge } from "./judges.js";
import { MODEL_CONFIG } from "./policy-folder.js";
import { DEMO_SETTINGS, type DemoSettings } from "./settings.js";
import { demoTask } from "./task.js";
import { createWorld, type World } from "./world.js";

/** A part of the demo; "before" and "after" are evaluations. */
export type DemoStage = "demonstrate" | "sft" | "before" | "synthesize" | "judge" | "train" | "after";

/** Progress of {@link runDemo}. */
export interface DemoProgress {
  /** The part that is running. */
  stage: DemoStage;
  /** Rollouts, trajectories or steps done in it. */
  done: number;
  /** How many it will have; undefined when unknown. */
  total: number | undefined;
  /** A number of interest, such as the loss. */
  note?: string;
}

/** Options of {@link runDemo}. */
export interface DemoOptions {
  /** The run directory: a new one, or that of an interrupted demo. */
  output: string;
  /** Seed of the world, the policy and all sampling; an integer. @default 0 */
  seed?: number;
  /** "auto", "cpu", "cuda" or "cuda:N". @default "cpu" */
  device?: string;
  /** CPU threads; 0 = every core. @default 0 */
  threads?: number;
  /** Sizes and hyperparameters. @default DEMO_SETTINGS */
  settings?: DemoSettings;
  /** Ends the demo with code ABORTED; it can be resumed. */
  signal?: AbortSignal;
  /** Called as the work proceeds. */
  onProgress?: (progress: DemoProgress) => void;
}

type Report = (done: number, total: number | undefined, note?: string) => void;

/** What all parts of a demo share. */
export interface Demo {
  run: RunDirectory;
  seed: number;
  settings: DemoSettings;
  world: World;
  task: Task;
  judge: Judge;
  /** The options that all rollouts share. */
  rollouts: { task: Task; maxNewTokens: number; concurrency: number; seed: number; signal?: AbortSignal };
  stopping: { signal?: AbortSignal };
  seconds: Partial<Record<DemoStage | "all", number>>;
  file: (name: string) => string;
  load: (folder: string, trainable: boolean) => Promise<NativePolicy>;
  timed: <T>(stage: DemoStage, work: (report: Report) => Promise<T>) => Promise<T>;
}

/** @throws SwirlError CONFIG when the folder holds another run. */
export function openRun(options: DemoOptions): Promise<RunDirectory> {
  const { output, seed = 0, device = "cpu", settings = DEMO_SETTINGS } = options;
  return RunDirectory.open(output, {
    config: { demo: { seed, settings, model: MODEL_CONFIG, mistakes: DEMONSTRATION_MISTAKES } },
    seeds: { demo: seed },
    addon: packageVersion, // the loader accepts no other
    device,
  });
}

export async function openDemo(run: RunDirectory, options: DemoOptions): Promise<Demo> {
  const { seed = 0, device = "cpu", threads = 0, settings = DEMO_SETTINGS, signal } = options;
  const file = (name: string) => join(run.dir, name);
  const world = createWorld(seed, settings.world);
  await writeJson(file("world.json"), world);
  const { maxNewTokens, concurrency, callLimit } = settings;
  const task = await demoTask(world.articles, callLimit);
  const stopping = signal ? { signal } : {};
  const seconds: Partial<Record<DemoStage | "all", number>> = {};
  return {
    run,
    seed,
    settings,
    world,
    task,
    judge: processJudge(),
    rollouts: { task, maxNewTokens, concurrency, seed, ...stopping },
    stopping,
    seconds,
    file,
    load: (folder, trainable) =>
      NativePolicy.load(folder, { device, threads, trainable, maxBatch: 1024, ...stopping }),
    async timed(stage, work) {
      const started = performance.now();
      const result = await work((done, total, note) =>
        options.onProgress?.({ stage, done, total, ...(note === undefined ? {} : { note }) }),
      );
      seconds[stage] = (performance.now() - started) / 1000;
      return result;
    },
  };
}
