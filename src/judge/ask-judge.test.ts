import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stepView } from "../../tests/support/step-view.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { askJudge } from "./ask-judge.js";
import { calibrate } from "./calibration.js";
import { journaledJudge } from "./journaled-judge.js";
import type { Judge, Verdict } from "./judge.js";
import { noisyJudge } from "./noisy-judge.js";

const giving = (value: unknown): Judge => ({ id: "mine", judge: async () => value as Verdict });
const view = stepView();

const WRONG: [string, unknown][] = [
  ["a word", "BAD"],
  ["good alone", { good: false }],
  ["a word for good", { status: "ok", good: "no", score: 0, votes: 1 }],
  ["no score", { status: "ok", good: true }],
  ["a score of NaN", { status: "ok", good: true, score: Number.NaN, votes: 1 }],
  ["a score above 1", { status: "ok", good: true, score: 1.5, votes: 1 }],
  ["another status", { status: "maybe", good: true, score: 1, votes: 1 }],
  ["a failure without words", { status: "failed" }],
  ["null", null],
  ["undefined", undefined],
  ["NaN", Number.NaN],
  ["a number above 1", 7],
  ["a negative number", -0.1],
  ["an array", [true]],
];

describe("askJudge", () => {
  it.each([
    [false, { status: "ok", good: false, score: 0, votes: 1 }],
    [true, { status: "ok", good: true, score: 1, votes: 1 }],
    [0, { status: "ok", good: false, score: 0, votes: 1 }],
    [1, { status: "ok", good: true, score: 1, votes: 1 }],
    [0.7, { status: "ok", good: true, score: 0.7, votes: 1 }],
    [
      { status: "failed", error: "why" },
      { status: "failed", error: "why" },
    ],
    [
      { status: "ok", good: true, score: 0.8, votes: 3, model: "x" },
      { status: "ok", good: true, score: 0.8, votes: 3 },
    ],
  ])("takes %j for a verdict", async (value, verdict) => {
    expect(await askJudge(giving(value), view)).toStrictEqual(verdict);
  });

  it.each(WRONG)("refuses %s and shows the shape wanted", async (_, value) => {
    await expect(askJudge(giving(value), view)).rejects.toMatchObject({
      code: "CONFIG",
      message: expect.stringMatching(
        /judge\(\) of mine returned .* not a verdict[\s\S]*status: "ok", good: true/,
      ),
    });
  });

  it("fails the verdict, not the run, when a judge that has worked gives something else", async () => {
    const values: unknown[] = [true, undefined, false];
    const judge: Judge = { id: "flaky", judge: async () => values.shift() as Verdict };
    expect(await askJudge(judge, view)).toMatchObject({ good: true });
    expect(await askJudge(judge, view)).toMatchObject({
      status: "failed",
      error: expect.stringContaining("returned undefined"),
    });
    expect(await askJudge(judge, view)).toMatchObject({ good: false });
  });

  it.each([
    ["not a promise", () => true, /returned true, not a promise/],
    ["nothing", () => undefined, /returned undefined, not a promise/],
    [
      "an exception at once",
      () => {
        throw new Error("lost");
      },
      /^lost$/,
    ],
    ["a rejection", () => Promise.reject(new Error("down")), /^down$/],
    ["a rejection without an error", () => Promise.reject("odd"), /^odd$/],
  ])("makes a failed verdict of %s", async (_, judge, error) => {
    const judging = { id: "mine", judge } as unknown as Judge;
    expect(await askJudge(judging, view)).toEqual({ status: "failed", error: expect.stringMatching(error) });
  });

  it("does not wait for a judge that ignores its signal", async () => {
    const hanging: Judge = { id: "hanging", judge: () => new Promise(() => {}) };
    const controller = new AbortController();
    const asked = askJudge(hanging, view, controller.signal);
    controller.abort();
    await expect(asked).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe.each([
  ["calibrate", (judge: Judge) => calibrate(judge, [{ id: "1", good: true, view }])],
  ["noisyJudge", (judge: Judge) => noisyJudge(judge, { rate: 0 }).judge(view)],
  [
    "journaledJudge",
    async (judge: Judge) => {
      const file = join(temporaryFolder(), "verdicts.jsonl");
      await using journaled = await journaledJudge(judge, file);
      return await journaled.judge(view);
    },
  ],
])("%s", (_, use) => {
  it("validates what a judge gives", async () => {
    await expect(use(giving({ good: false }))).rejects.toMatchObject({ code: "CONFIG" });
    expect(JSON.stringify(await use(giving(true)))).toMatch(/"good":true|"count":1/);
  });
});
