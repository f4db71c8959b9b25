import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { stepView } from "../../tests/support/step-view.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { calibrate } from "./calibration.js";
import { readProcessBench } from "./processbench.js";
import { RuleJudge } from "./rule-judge.js";

describe("calibrate", () => {
  it("counts false positives among bad steps and false negatives among good ones", async () => {
    const labeled = Array.from({ length: 10 }, (_, i) => ({
      id: String(i),
      good: i < 6,
      view: stepView({ action: String(i) }),
    }));
    const judge = new RuleJudge({
      id: "x",
      rule: ({ action }) => {
        if (action === "9") throw new Error("no verdict");
        return !["0", "1", "6", "7"].includes(action); // wrong on 0, 1 (good) and 8 (bad)
      },
    });
    expect(await calibrate(judge, labeled)).toMatchObject({
      judge: "rule/x",
      steps: 10,
      falseNegative: { count: 2, of: 6, rate: 1 / 3 },
      falsePositive: {
        count: 1,
        of: 3,
        rate: 1 / 3,
        interval: { low: expect.closeTo(0.0615, 3), high: expect.closeTo(0.7923, 3) },
      },
      accuracy: { count: 6, of: 9 },
      failed: 1,
    });
  });
});

it("calibrate refuses a label that is no boolean", async () => {
  const judge = new RuleJudge({ id: "x", rule: () => true });
  const steps = [{ id: "1", view: stepView(), good: "no" as never }];
  await expect(calibrate(judge, steps)).rejects.toMatchObject({ code: "INPUT", details: { field: "good" } });
});

it.each([null, undefined, "GOOD", { score: 1 }, { good: 1 }, { good: true, reason: 5 }, Number.NaN, 2])(
  "a rule that gives %j is a failed verdict that shows what a rule gives",
  async (outcome) => {
    const judge = new RuleJudge({ id: "x", rule: () => outcome as never });
    expect(await judge.judge(stepView())).toEqual({
      status: "failed",
      error: expect.stringContaining("a rule gives a boolean, a score from 0 to 1"),
    });
  },
);

describe("readProcessBench", () => {
  let folder: string;
  beforeAll(() => {
    folder = temporaryFolder();
  });
  const written = async (content: string) => {
    const file = join(folder, "bench.json");
    await writeFile(file, content);
    return file;
  };
  const row = (label: number, steps = ["a", "b", "c"]) => ({ id: "r", problem: "P", steps, label });

  it("labels steps before the first wrong one good, it bad, and leaves out the rest", async () => {
    const steps = await readProcessBench(await written(JSON.stringify([row(1), row(-1)])));
    expect(steps.map((step) => [step.view.action, step.good])).toEqual([
      ["a", true],
      ["b", false],
      ["a", true],
      ["b", true],
      ["c", true],
    ]);
    expect(steps[4]!.view).toEqual({
      question: "P",
      history: [{ action: "a" }, { action: "b" }],
      action: "c",
      kind: "answer",
      callsLeft: 0,
    });
  });

  it.each([
    [[row(0), row(3)], /:2: ProcessBench field label: is past the last step/],
    [[{ ...row(0), problem: 5 }], /:1: ProcessBench field problem/],
  ])("names row and field of %o", async (rows, message) => {
    await expect(readProcessBench(await written(JSON.stringify(rows)))).rejects.toThrow(message);
  });

  const real = join(process.env.SWIRL_SHARED ?? "../shared", "data/processbench/gsm8k.json");
  it.skipIf(!existsSync(real))("reads the published file (skipped without the shared data)", async () => {
    const steps = await readProcessBench(real);
    expect(new Set(steps.map((step) => step.id.split("/")[0])).size).toBe(400);
    expect(steps.filter((step) => !step.good).length).toBe(207);
  });
});
