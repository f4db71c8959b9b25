import * as fs from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { sampleRun } from "../../tests/support/sample-run.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { RunDirectory } from "../run-directory/run-directory.js";
import { intervalChart, lineChart, niceTicks, runningMean, thin } from "./svg-chart.js";
import { writeReport } from "./write-report.js";

let dir: string;
let markdown: string;
let html: string;
beforeAll(async () => {
  dir = temporaryFolder();
  const run = await sampleRun(join(dir, "run"));
  const files = await writeReport(run.dir, { title: "A <sample> run" });
  markdown = await fs.readFile(files.markdown, "utf8");
  html = await fs.readFile(files.html, "utf8");
});

describe("of a whole run", () => {
  test("result, gain with its interval, training, filter, samples and manifest are all there", () => {
    for (const text of [markdown, html]) {
      for (const part of ["Result", "Training", "Filter", "Sample trajectories", "Made with"])
        expect(text).toContain(part);
      expect(text).toMatch(
        /start → trained: \+\d+\.\d points of accuracy \[\+\d+\.\d, \+\d+\.\d\] on 60 questions/,
      );
      expect(text).toContain("the interval excludes 0");
      expect(text).toContain("was wrong, is right");
      expect(text).toContain("malformed action: no-tag");
      expect(text).toMatch(/process \(applied\)/);
    }
    expect(html.match(/<svg /g)).toHaveLength(7); // five curves, accuracy, process label
  });

  test("what a model or a data set wrote is escaped", () => {
    expect(html).not.toContain("<script>");
    expect(html).toContain("&#60;script&#62;alert(&#39;no call here&#39;)&#60;/script&#62;");
    expect(html).toContain("<title>A &#60;sample&#62; run</title>");
  });

  test("the page is self-contained: nothing is fetched", () => {
    expect(html).not.toMatch(/\b(src|href)=|url\(|@import/);
  });

  test("no figure is NaN, Infinity or undefined", () => {
    for (const text of [markdown, html]) expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });
});

test("a run that has done nothing yet has a report too", async () => {
  const run = await RunDirectory.open(join(dir, "empty"), { config: {} });
  const files = await writeReport(run.dir);
  expect(await fs.readFile(files.markdown, "utf8")).toMatch(/^# empty\n\n## Made with/);
});

test("ticks are round, cover the data, and exist for constant data", () => {
  expect(niceTicks(0, 1, 4)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  expect(niceTicks(3, 97, 4)).toEqual([0, 25, 50, 75, 100]);
  expect(niceTicks(-0.0012, 0.0031, 4)[0]).toBeLessThanOrEqual(-0.0012);
  for (const value of [0, 1, -5, 1e-9, 1e9]) {
    const ticks = niceTicks(value, value, 4);
    expect(ticks.length).toBeGreaterThan(1);
    expect(ticks[0]!).toBeLessThanOrEqual(value);
    expect(ticks.at(-1)!).toBeGreaterThanOrEqual(value);
  }
});

test("charts stay inside their view box", () => {
  const points = [-3, 1e-7, 12, 12, 5].map((y, i) => ({ x: i * 10 + 1, y }));
  for (const chart of [
    lineChart(points, "t"),
    intervalChart([{ label: "a", value: 1, low: 0, high: 1 }], "t"),
  ]) {
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(chart)!.map(Number);
    for (const [, x, y] of chart.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) {
      expect(Number(x)).toBeGreaterThanOrEqual(0);
      expect(Number(x)).toBeLessThanOrEqual(width!);
      expect(Number(y)).toBeGreaterThanOrEqual(0);
      expect(Number(y)).toBeLessThanOrEqual(height!);
    }
  }
});

test("the running mean is of the window's values only", () => {
  expect(runningMean([2, 4, 6, 8], 2)).toEqual([2, 3, 5, 7]);
  expect(runningMean([2, 4, 6], 5)).toEqual([2, 3, 4]);
});

test("a long run's chart stays small, and keeps its first and last update", () => {
  const chart = lineChart(
    Array.from({ length: 200_000 }, (_, i) => ({ x: i + 1, y: Math.sin(i) })),
    "t",
  );
  expect(chart.length).toBeLessThan(60_000);
  expect(thin([1, 2, 3, 4, 5], 3)).toEqual([1, 3, 5]);
});
