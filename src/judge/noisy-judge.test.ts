import { expect, it } from "vitest";
import { stepView } from "../../tests/support/step-view.js";
import type { Judge } from "./judge.js";
import { noisyJudge } from "./noisy-judge.js";

const strict: Judge = {
  id: "strict",
  judge: async ({ action }) =>
    action === "unknown"
      ? { status: "failed", error: "no verdict" }
      : { status: "ok", good: action.length % 2 === 0, score: action.length % 2 === 0 ? 0.9 : 0.2, votes: 3 },
};
const steps = Array.from({ length: 2000 }, (_, i) => stepView({ action: `action ${i}` }));

async function turned(rate: number, seed: number): Promise<number[]> {
  const noisy = noisyJudge(strict, { rate, seed });
  const indices: number[] = [];
  for (const [i, step] of steps.entries()) {
    const [now, before] = [await noisy.judge(step), await strict.judge(step)];
    if (now.status !== "ok" || before.status !== "ok") throw new Error("a verdict failed");
    if (now.good === before.good) expect(now).toEqual(before);
    else {
      expect(now.score).toBeCloseTo(1 - before.score, 12);
      indices.push(i);
    }
  }
  return indices;
}

it("turns the share of verdicts that it is told to, the same ones every time", async () => {
  const tenth = await turned(0.1, 1);
  expect(tenth.length / steps.length).toBeGreaterThan(0.08);
  expect(tenth.length / steps.length).toBeLessThan(0.12);
  expect(await turned(0.1, 1)).toEqual(tenth);
  expect(await turned(0.1, 2)).not.toEqual(tenth);
  const more = new Set(await turned(0.3, 1));
  expect(tenth.every((i) => more.has(i))).toBe(true); // a noisier judge errs where the other did, and elsewhere
});

it("leaves all alone at 0, turns all at 1, and never turns a failure into a verdict", async () => {
  expect(await turned(0, 1)).toEqual([]);
  expect(await turned(1, 1)).toHaveLength(steps.length);
  const failed = await noisyJudge(strict, { rate: 1 }).judge(stepView({ action: "unknown" }));
  expect(failed).toEqual({ status: "failed", error: "no verdict" });
});

it("overlooks bad steps only, or wrongs good ones only, where it is told so", async () => {
  for (const only of ["good", "bad"] as const) {
    const noisy = noisyJudge(strict, { rate: 0.25, only });
    let wrong = 0;
    for (const step of steps) {
      const [now, before] = [await noisy.judge(step), await strict.judge(step)];
      if (now.status !== "ok" || before.status !== "ok") throw new Error("a verdict failed");
      if (now.good === before.good) continue;
      wrong++;
      expect(before.good).toBe(only === "good");
    }
    const of = steps.filter(({ action }) => (action.length % 2 === 0) === (only === "good")).length;
    expect(of).toBeGreaterThan(500);
    expect(Math.abs(wrong / of - 0.25)).toBeLessThan(0.05);
  }
});

it("has an id of its own, so that a journal does not mix verdicts up", () => {
  const ids = [
    noisyJudge(strict, { rate: 0.1 }),
    noisyJudge(strict, { rate: 0.3 }),
    noisyJudge(strict, { rate: 0.1, seed: 1 }),
    noisyJudge(strict, { rate: 0.1, only: "bad" }),
  ];
  expect(new Set([strict.id, ...ids.map(({ id }) => id)]).size).toBe(5);
  expect(() => noisyJudge(strict, { rate: 1.5 })).toThrow(/rate/);
});
