import { expect, it } from "vitest";
import { tinyJudge, tinyTask } from "../../tests/support/tiny-world.js";
import { parseConfig } from "./config-schema.js";
import { rewardsOutcome, trainRewards } from "./train-rewards.js";

const rewards = [
  { kind: "judge", name: "steps" },
  { kind: "outcome", name: "answer", weight: 0.5 },
];

it("rewards by the judge alone, or by the parts of the config", () => {
  const alone = parseConfig({});
  expect([trainRewards(alone, tinyJudge), rewardsOutcome(alone)]).toEqual([{ judge: tinyJudge }, false]);
  const fresh = parseConfig({ train: { rewards } });
  expect(rewardsOutcome(fresh)).toBe(true);
  expect(trainRewards(fresh, tinyJudge, tinyTask).rewards).toMatchObject([
    { name: "steps", weight: 1, judge: tinyJudge },
    { name: "answer", weight: 0.5, reward: { id: `outcome/tiny/${tinyTask.matcher.id}` } },
  ]);
  const logged = parseConfig({ train: { rewards, actions: "logged" } });
  expect(trainRewards(logged, tinyJudge, tinyTask).rewards![1]).toMatchObject({ outcome: tinyTask.matcher });
});

it("writes out the aggregation that the loss's name brings", () => {
  expect(parseConfig({ train: { loss: "dapo" } }).train.aggregation).toBe("token-mean");
  expect(parseConfig({ train: { loss: "dapo", aggregation: "sequence-sum" } }).train.aggregation).toBe(
    "sequence-sum",
  );
});
