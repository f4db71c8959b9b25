import { describe, expect, it } from "vitest";
import { type Batch, batchesFrom, groupBy, planEpoch, stepsInEpochs } from "./batches.js";

const items = Array.from({ length: 23 }, (_, i) => ({ trajectory: `t${i % 7}` }));
const groups = groupBy(items, (item) => item.trajectory);
const options = { batchSize: 8, seed: 5 };

function take(count: number, firstStep: number): Batch[] {
  const batches: Batch[] = [];
  for (const batch of batchesFrom(groups, firstStep, options)) {
    if (batches.length === count) break;
    batches.push(batch);
  }
  return batches;
}

describe("planEpoch", () => {
  it("holds every item once, and never splits a group", () => {
    for (let epoch = 0; epoch < 20; epoch++) {
      const batches = planEpoch(groups, epoch, options);
      expect(batches.flat().sort((a, b) => a - b)).toEqual(items.map((_, i) => i));
      for (const batch of batches) {
        expect(batch.length).toBeLessThanOrEqual(8);
        for (const name of new Set(batch.map((i) => items[i]!.trajectory))) {
          const whole = items.flatMap((item, i) => (item.trajectory === name ? [i] : []));
          expect(batch.filter((i) => items[i]!.trajectory === name)).toEqual(whole);
        }
      }
    }
  });

  it("makes a group larger than the batch a batch of its own", () => {
    expect(
      planEpoch([[0, 1, 2], [3]], 0, { batchSize: 2, seed: 1 })
        .map((b) => b.length)
        .sort(),
    ).toEqual([1, 3]);
  });
});

describe("batchesFrom", () => {
  it("resumed at any of 1,000 steps, continues with the batches of the uninterrupted run", () => {
    const all = take(1002, 0);
    for (let step = 0; step < 1000; step++) expect(take(2, step)).toEqual(all.slice(step, step + 2));
    const perEpoch = new Map<number, number[]>();
    for (const { epoch, items } of all) perEpoch.set(epoch, [...(perEpoch.get(epoch) ?? []), ...items]);
    const last = all.at(-1)!.epoch; // may be incomplete
    for (const [epoch, trained] of perEpoch)
      if (epoch < last) expect(trained.sort((a, b) => a - b)).toEqual(items.map((_, i) => i)); // each item once
  });

  it("reshuffles each epoch", () => {
    const perEpoch = planEpoch(groups, 0, options).length;
    const all = take(2 * perEpoch, 0);
    const order = (epoch: number) => planEpoch(groups, epoch, options).flat().join();
    expect(new Set([0, 1, 2, 3, 4, 5].map(order)).size).toBe(6);
    expect(all[perEpoch]!.epoch).toBe(1);
    expect(all[perEpoch - 1]!.epochAfter).toBe(1);
  });

  it("throws without items", () => {
    expect(() => batchesFrom([], 0, options).next()).toThrow(RangeError);
  });
});

it("stepsInEpochs counts the planned batches", () => {
  const planned = [0, 1, 2].map((epoch) => planEpoch(groups, epoch, options).length);
  expect(stepsInEpochs(groups, 2, options)).toBe(planned[0]! + planned[1]!);
  expect(stepsInEpochs(groups, 2.5, options)).toBe(planned[0]! + planned[1]! + Math.ceil(planned[2]! / 2));
});
