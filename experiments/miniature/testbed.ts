/** One seed of the miniature: its world, its demonstrations, its judges, its untrained policy. */
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { NativePolicy, noisyJudge, SwirlError, synthesize, type Trajectory } from "swirl-rl";
import {
  demonstratingPolicy,
  demoTask,
  drawWorld,
  independentJudge,
  oracleJudge,
  processJudge,
  type QuestionMix,
  type WorldQuestion,
  writePolicyFolder,
} from "swirl-rl/demo";
import type { Testbed } from "../testbed.js";
import type { MiniatureSettings } from "./settings.js";

/** What stage 1 asks, and what is held out: two or three steps, amounts below 50. */
const NEAR: Omit<QuestionMix, "sumShare"> = { steps: [3, 2], largest: 49 };
/** Out of that distribution: four hops, and word problems with amounts of 50 to 99. */
const FAR_HOPS: QuestionMix = { sumShare: 0, steps: [4] };
const FAR_AMOUNTS: QuestionMix = { sumShare: 1, steps: [3, 2], reaches: 50 };
/** What the base has been shown, as a language model has read more than it is later trained on: all of it. */
const SHOWN: QuestionMix = { sumShare: 0.5, steps: [2, 3, 2, 3, 4] };

/** Apart from every study seed: what the other judge overlooks is drawn anew. */
const OTHER = 1_000_000;

export const HELD_OUT = ["search", "arithmetic", "search-far", "arithmetic-far"] as const;
export type HeldOut = (typeof HELD_OUT)[number];

export function miniatureWorld(seed: number, settings: MiniatureSettings) {
  const { entities, demonstrations, train, thinkingTrain, heldOut } = settings;
  const held = (mix: QuestionMix) => ({ half: "held-out", count: heldOut, mix, distinct: true }) as const;
  return drawWorld(seed, entities, {
    demonstrations: { half: "train", count: demonstrations, mix: SHOWN },
    train: { half: "train", count: train, mix: { ...NEAR, sumShare: 0.5 }, distinct: true },
    "thinking-train": {
      half: "train",
      count: thinkingTrain,
      mix: { ...NEAR, sumShare: 0.5 },
      distinct: true,
    },
    search: held({ ...NEAR, sumShare: 0 }),
    arithmetic: held({ ...NEAR, sumShare: 1 }),
    "search-far": held(FAR_HOPS),
    "arithmetic-far": held(FAR_AMOUNTS),
  });
}

export async function openMiniature(
  seed: number,
  folder: string,
  settings: MiniatureSettings,
  threads: number,
): Promise<Testbed> {
  const { articles, questions } = miniatureWorld(seed, settings);
  const task = await demoTask(articles, settings.callLimit);
  const lists: Record<string, WorldQuestion[]> = questions;
  const list = (name: string) => {
    const found = lists[name];
    if (found) return found;
    throw new SwirlError("CONFIG", `the miniature has no questions named ${name}`);
  };
  return {
    task,
    judge: noisyJudge(processJudge(), { rate: settings.overlooked, only: "bad", seed }),
    otherJudge: noisyJudge(processJudge(), { rate: settings.overlooked, only: "bad", seed: seed + OTHER }),
    measuringJudges: {
      independent: independentJudge(),
      oracle: oracleJudge(HELD_OUT.flatMap((name) => questions[name])),
    },
    maxNewTokens: settings.thinkingMaxNewTokens,
    rollout: {},
    concurrency: settings.concurrency,
    checkpointEvery: 250,
    keepsEvaluations: false,
    questions: async (name) => list(name),
    async start() {
      const path = join(folder, `seed-${seed}`, "new-policy");
      if (existsSync(path)) return path;
      // Two workers may make it at once; the seed makes both alike, and the first to be whole is kept.
      const own = `${path}-${process.pid}`;
      await mkdir(join(folder, `seed-${seed}`), { recursive: true });
      await writePolicyFolder(own, seed);
      await rename(own, path).catch(async (error) => {
        await rm(own, { recursive: true });
        if (!existsSync(path)) throw error;
      });
      return path;
    },
    async demonstrations(name, policy, { keepThoughts, signal }) {
      const { demonstrations } = questions;
      const all: Trajectory[] = [];
      const replayed = synthesize(demonstrations, {
        policy: demonstratingPolicy(policy, demonstrations, {
          thinks: name === "thinking",
          mistakes: settings.mistakes,
        }),
        task,
        samples: 1,
        keepThoughts,
        maxNewTokens: settings.thinkingMaxNewTokens,
        concurrency: 1, // nothing is sampled
        seed,
        signal,
      });
      for await (const trajectory of replayed) all.push(trajectory);
      return all;
    },
    load: (path, trainable, signal) =>
      NativePolicy.load(path, { device: "cpu", threads, trainable, maxBatch: 1024, signal }),
  };
}
