import { expect, it } from "vitest";
import { rewardOf } from "./reward-map.js";

it("maps verdicts to rewards, and a failed judgment to none", () => {
  const good = { status: "ok", good: true, score: 0.75, votes: 4 } as const;
  const bad = { status: "ok", good: false, score: 0.25, votes: 4 } as const;
  const failed = { status: "failed", error: "timeout" } as const;
  expect([good, bad, failed].map((v) => rewardOf(v, "binary"))).toEqual([1, 0, undefined]);
  expect([good, bad, failed].map((v) => rewardOf(v, "signed"))).toEqual([1, -1, undefined]);
  expect([good, bad, failed].map((v) => rewardOf(v, "score"))).toEqual([0.75, 0.25, undefined]);
});
