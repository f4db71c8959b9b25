/**
 * The demo end to end at a fraction of its size: stopped half way, it resumes where it was, every file of the run is
 * there and readable, and even so short a run makes the policy better on held-out questions.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import type { DemoProgress } from "../../src/demo/demo-run.js";
import { runDemo } from "../../src/demo/run-demo.js";
import { DEMO_SETTINGS, type DemoSettings } from "../../src/demo/settings.js";
import { readEvaluations } from "../../src/evaluate/evaluation-record.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const settings: DemoSettings = {
  ...DEMO_SETTINGS,
  world: { trainEntities: 100, heldOutEntities: 40, demonstrations: 3000, train: 300, heldOut: 60 },
  sft: { ...DEMO_SETTINGS.sft, steps: 450 },
  train: { ...DEMO_SETTINGS.train, steps: 25 },
};

let folder = "";
beforeAll(() => {
  folder = temporaryFolder();
});

it("improves a policy on held-out questions, and resumes where it was stopped", {
  timeout: 600_000,
}, async () => {
  const output = join(folder, "run");
  const stop = new AbortController();
  const stopped = runDemo({
    output,
    settings,
    threads: 1,
    signal: stop.signal,
    onProgress: ({ stage, done }) => {
      if (stage === "sft" && done === 200) stop.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });

  const seen: DemoProgress[] = [];
  const result = await runDemo({
    output,
    settings,
    threads: 1,
    onProgress: (progress) => seen.push(progress),
  });
  const stages = [...new Set(seen.map(({ stage }) => stage))];
  expect(stages).toEqual(["demonstrate", "sft", "before", "synthesize", "judge", "train", "after"]);
  expect(seen.find(({ stage }) => stage === "sft")!.done).toBe(201);
  for (const stage of stages) {
    const last = seen.filter((progress) => progress.stage === stage).at(-1)!;
    expect([stage, last.done]).toEqual([stage, last.total]);
  }

  expect(result.improvement.sampled.value).toBeGreaterThan(0.05);
  expect(result.after.sampled.processLabel!.value).toBeGreaterThan(result.before.sampled.processLabel!.value);
  expect(result.after.oracleLabel.value).toBeGreaterThan(result.before.oracleLabel.value);
  for (const { sampled, greedy } of [result.before, result.after]) {
    for (const { value, low, high } of [sampled.accuracy, greedy.accuracy, sampled.processLabel!]) {
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
    }
  }
  expect(result.before.sampled.questions).toBe(60);

  for (const name of ["before", "after"]) {
    let lines = 0;
    for await (const record of readEvaluations(join(output, `evaluation-${name}.jsonl`))) {
      expect(record.verdicts).toHaveLength(record.trajectory.steps.length);
      lines++;
    }
    expect(lines).toBe(60);
  }
  const metrics = (await readFile(join(output, "metrics.jsonl"), "utf8")).trim().split("\n");
  expect(metrics).toHaveLength(25);
  expect(await readFile(result.report, "utf8")).toContain("before → after");
  expect((await stat(join(output, "policy", "model.safetensors"))).size).toBeGreaterThan(
    4 * result.parameters,
  );

  const again = await runDemo({ output, settings, threads: 1 });
  expect(again.after.sampled).toEqual(result.after.sampled);
  expect(again.improvement).toEqual(result.improvement);
});
