/** Medians of repeated measurements, and how they are shown. */
import { expect, it } from "vitest";
import { shown, spread } from "../../bench/spread.js";
import { ratio, table } from "../../bench/tables.js";

it("an odd number has its middle, an even one the mean of its two", () => {
  expect(spread([9, 1, 10])).toEqual({ median: 9, min: 1, max: 10, samples: [9, 1, 10] });
  expect(spread([10, 1, 2, 9])).toEqual({ median: 5.5, min: 1, max: 10, samples: [10, 1, 2, 9] });
  expect(spread([3])).toEqual({ median: 3, min: 3, max: 3, samples: [3] });
});

it("is ordered as numbers, and leaves the samples in the order of the rounds", () => {
  const samples = [100, 20, 3];
  expect(spread(samples).median).toBe(20);
  expect(samples).toEqual([100, 20, 3]);
});

it("reads as a median with its range", () => {
  expect(shown(spread([1, 2, 4]), 2)).toBe("2.00 (1.00–4.00)");
  expect(ratio(spread([15.44, 16.13, 16.1]))).toBe("16.1× (15.4–16.1)");
});

it("tables are aligned by characters, not by bytes", () => {
  expect(table(["×", "seconds"], [["10×", "1"]])).toBe(
    "| ×   | seconds |\n| --- | ------- |\n| 10× | 1       |",
  );
});
