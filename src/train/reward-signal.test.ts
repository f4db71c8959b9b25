import { expect, it } from "vitest";
import type { Verdict } from "../judge/judge.js";
import { missingSignal } from "./reward-signal.js";

const ok = (score: number): Verdict => ({ status: "ok", good: score >= 0.5, score, votes: 1 });

it.each([
  [
    "scores that the map makes equal",
    [0.6, 0.9, 0.7],
    "binary",
    0,
    /are 1: .*\(0\.6 to 0\.9\).*rewardMap to "score"/,
  ],
  ["a judge that likes everything", [1, 1], "binary", 0, /are 1: .*calls everything GOOD/],
  ["a judge that likes nothing", [0, 0], "signed", 0, /are -1: .*calls everything BAD/],
  ["actions without an end", [0, 0], "binary", 2, /2 of 2 actions were truncated: raise maxNewTokens/],
  ["one score", [0.7, 0.7], "score", 0, /are 0.7/],
] as const)("explains %s", (_, scores, map, clipped, message) => {
  expect(missingSignal(scores.map(ok), map, clipped)).toMatch(message);
});

it("is silent where rewards differ, or where there are too few", () => {
  expect(missingSignal([0.6, 0.9].map(ok), "score", 0)).toBeUndefined();
  expect(missingSignal([0, 1].map(ok), "binary", 0)).toBeUndefined();
  expect(missingSignal([ok(1), { status: "failed", error: "" }], "binary", 0)).toBeUndefined();
});
