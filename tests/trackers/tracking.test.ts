/** Trackers on real training runs of the tiny model: what each of them was told, and what an outage does to the run. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { NativePolicy } from "../../src/policy/native-policy.js";
import type { TrackedMetrics, TrackedRun, TrackedTable, Tracker } from "../../src/trackers/tracker.js";
import { sft } from "../../src/train/sft.js";
import { train } from "../../src/train/train.js";
import type { Trajectory } from "../../src/trajectory/trajectory.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { tinyJudge, tinyTrajectories, writeTinyModel } from "../support/tiny-world.js";
import { readEvents } from "./read-events.js";

let dir: string;
let trajectories: Trajectory[];
const load = () => NativePolicy.load(join(dir, "model"), { device: "cpu", threads: 1 });
beforeAll(async () => {
  dir = temporaryFolder();
  await writeTinyModel(join(dir, "model"));
  const policy = await load();
  trajectories = await tinyTrajectories(policy, 4);
  await policy.dispose();
});

async function trainTiny(more: Partial<Parameters<typeof train>[0]>) {
  const policy = await load();
  try {
    return await train({
      policy,
      judge: tinyJudge,
      trajectories,
      samplesPerState: 2,
      batchSize: 4,
      maxNewTokens: 6,
      steps: 4,
      ...more,
    });
  } finally {
    await policy.dispose();
  }
}

/** A tracker that keeps what it is told. */
function keeping() {
  const told = {
    runs: [] as TrackedRun[],
    entries: [] as TrackedMetrics[],
    tables: [] as TrackedTable[],
    ends: [] as string[],
  };
  const tracker: Tracker = {
    name: "keeping",
    begin: (run) => void told.runs.push(run),
    log: (entries) => void told.entries.push(...entries),
    table: (table) => void told.tables.push(table),
    finish: (end) => void told.ends.push(end),
  };
  return { told, tracker };
}

describe("a tracker of one's own", () => {
  it("is told of the run, each update under TRL's names, and a table of samples", async () => {
    const { told, tracker } = keeping();
    const secret = "sk-planted-0123456789abcdef";
    const result = await trainTiny({
      trackers: [tracker],
      tracking: { name: "first", samples: 3, config: { lr: 1, apiKey: secret, judge: { votes: 3 } } },
    });
    expect(told.runs).toHaveLength(1);
    expect(told.runs[0]).toMatchObject({
      name: "first/train",
      run: "train",
      resumedFrom: 0,
      project: "swirl-rl",
    });
    expect(told.runs[0]!.config).toEqual({ lr: 1, apiKey: "[redacted]", judge: { votes: 3 } });
    expect(told.entries.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    const { metrics } = told.entries.at(-1)!;
    expect(metrics).toMatchObject({
      "train/reward": result.last!.reward,
      "train/completions/mean_length": result.last!["completions/mean_length"],
      "train/step_time": result.last!["time/step"],
      "train/global_step": 4,
    });
    expect(metrics).not.toHaveProperty("train/kl"); // null: there is no reference
    expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
    expect(told.tables).toHaveLength(1);
    expect(told.tables[0]).toMatchObject({ name: "completions", step: 1 });
    expect(told.tables[0]!.rows).toHaveLength(3);
    expect(told.tables[0]!.rows[0]!).toHaveLength(told.tables[0]!.columns.length);
    expect(told.ends).toEqual(["finished"]);
  });

  it("is given the options of the stage where no config is named, and no live objects", async () => {
    const { told, tracker } = keeping();
    await trainTiny({ trackers: [tracker], steps: 1 });
    expect(told.runs[0]!.config).toMatchObject({ samplesPerState: 2, loss: "reinforce", totalSteps: 1 });
    expect(told.runs[0]!.config).not.toHaveProperty("trackers");
  });

  it("that throws in check ends the run before it begins", async () => {
    const tracker: Tracker = {
      ...keeping().tracker,
      check: () => {
        throw new Error("no credentials");
      },
    };
    let steps = 0;
    const run = trainTiny({ trackers: [tracker], onStep: () => void steps++ });
    await expect(run).rejects.toMatchObject({ code: "CONFIG", message: /keeping.*no credentials/ });
    expect(steps).toBe(0);
  });

  it("ends as failed where the run fails, as aborted where it is stopped", async () => {
    const failed = keeping();
    const broken = {
      id: "broken",
      judge: async () => ({ status: "failed" as const, error: "down", votes: 0 }),
    };
    await expect(trainTiny({ trackers: [failed.tracker], judge: broken })).rejects.toThrow(/could be judged/);
    expect(failed.told.ends).toEqual(["failed"]);
    const stopped = keeping();
    const controller = new AbortController();
    const run = trainTiny({
      trackers: [stopped.tracker],
      signal: controller.signal,
      onStep: () => controller.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: "ABORTED" });
    expect(stopped.told.ends).toEqual(["aborted"]);
    expect(stopped.told.entries).toHaveLength(1);
  });
});

it("names that are none and trackers without methods are refused by name", async () => {
  for (const trackers of [["clearml"], [{ name: "x" }], ["all"]])
    await expect(trainTiny({ trackers: trackers as never })).rejects.toMatchObject({
      code: "CONFIG",
      message: expect.stringMatching(/trackers\.0: must be tensorboard, wandb, mlflow, trackio, jsonl/),
    });
  await expect(trainTiny({ trackers: ["tensorboard"] })).rejects.toThrow(/there is no folder/);
  await expect(trainTiny({ trackers: ["mlflow"] })).rejects.toThrow(/MLFLOW_TRACKING_URI/);
});

it("a slow, a throwing and a hanging tracker change no bit of the run", async () => {
  const records: unknown[][] = [];
  const notes: string[] = [];
  const plain = (rows: unknown[]) =>
    rows.map((row) => Object.entries(row as object).filter(([name]) => !name.startsWith("time/")));
  for (const trackers of [
    undefined,
    [
      { ...keeping().tracker, name: "slow", log: () => sleep(50) },
      {
        ...keeping().tracker,
        name: "throws",
        log: () => {
          throw new Error("out of order");
        },
      },
      { ...keeping().tracker, name: "never begins", begin: () => Promise.reject(new Error("nobody home")) },
    ] satisfies Tracker[],
  ]) {
    const rows: unknown[] = [];
    await trainTiny({
      trackers,
      onStep: (row) => void rows.push(row),
      onNote: (note) => void notes.push(note),
    });
    records.push(plain(rows));
  }
  expect(records[1]).toEqual(records[0]);
  expect(notes.filter((note) => note.startsWith("tracker throws: out of order"))).toHaveLength(1);
  expect(notes.filter((note) => note.startsWith("tracker never begins: nobody home"))).toHaveLength(1);
  expect(notes).toContain("tracker throws: 4 entries were not delivered; the run's own files have them");
  expect(notes).toContain(
    "tracker never begins: 5 entries were not delivered; the run's own files have them",
  );
});

describe("a resumed run", () => {
  it("is the same run to the tracker, and TensorBoard drops what it does again", async () => {
    const folder = join(dir, "resumed");
    const options = {
      checkpoints: { folder: join(folder, "checkpoints"), every: 2 },
      tracking: { folder },
    };
    const first = keeping();
    const dies = trainTiny({
      ...options,
      trackers: [first.tracker, "tensorboard", "jsonl"],
      onStep: ({ step }) => {
        if (step === 3) throw new Error("killed");
      },
    });
    await expect(dies).rejects.toThrow("killed");
    const second = keeping();
    await trainTiny({ ...options, trackers: [second.tracker, "tensorboard", "jsonl"] });
    expect(second.told.runs[0]).toMatchObject({ id: first.told.runs[0]!.id, resumedFrom: 2 });
    expect(second.told.entries.map(({ step }) => step)).toEqual([3, 4]);

    const events = readEvents(join(folder, "tensorboard/train"));
    expect(events.scalars["train/reward"]!.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    const written = events.scalars["train/reward"]!.map(({ value }) => value);
    const told = [...first.told.entries.slice(0, 2), ...second.told.entries];
    expect(written).toEqual(told.map(({ metrics }) => Math.fround(metrics["train/reward"]!)));
    expect(events.texts.completions![0]!.rows[0]).toContain("completion");

    const lines = readFileSync(join(folder, "tracking-train.jsonl"), "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.filter((line) => "begin" in line)).toHaveLength(2);
    expect(lines.flatMap((line) => ("step" in line ? [line.step] : []))).toEqual([1, 2, 3, 3, 4]);
    expect(lines.at(-1)).toEqual({ finish: "finished" });
  });

  it("of another stage in the same folder is another run", async () => {
    const folder = join(dir, "stages");
    const a = keeping();
    const b = keeping();
    await trainTiny({ trackers: [a.tracker], tracking: { folder }, steps: 1 });
    const policy = await load();
    await sft({ policy, trajectories, steps: 1, trackers: [b.tracker], tracking: { folder } });
    await policy.dispose();
    expect(b.told.runs[0]!.id).toBe(a.told.runs[0]!.id.replace("train", "sft"));
    expect(Object.keys(b.told.entries[0]!.metrics)).toEqual(
      expect.arrayContaining(["train/loss", "train/grad_norm", "train/learning_rate", "train/num_tokens"]),
    );
    expect(readdirSync(folder)).toEqual(["tracking.json"]);
  });
});
