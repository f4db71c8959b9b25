import * as fs from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { sampleRun } from "../../tests/support/sample-run.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { RunDirectory } from "../run-directory/run-directory.js";
import { reportMarkdown } from "./report-markdown.js";
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
}, 60_000);

describe("of a whole run", () => {
  test("result, gain with its interval, training, filter, samples and manifest are all there", () => {
    for (const text of [markdown, html]) {
      for (const part of ["Result", "Training", "Filter", "Sample trajectories", "Cost", "Made with"])
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
    expect(html).not.toMatch(/\bsrc=|\bhref="[^#]|url\(|@import|<script/);
  });

  test("the contents link to every section", () => {
    const links = [...html.matchAll(/href="#([a-z-]+)"/g)].map(([, id]) => id);
    const sections = [...html.matchAll(/<section id="([a-z-]+)"/g)].map(([, id]) => id);
    expect(links).toEqual(["result", "training", "filter", "sample-trajectories", "cost", "made-with"]);
    expect(sections).toEqual(links);
  });

  test("curves hold their values, the last one included", () => {
    expect(html).toMatch(/<text text-anchor="start" x="[\d.]+" y="20">1: 0\.4, mean 0\.4<\/text>/);
    expect(html).toMatch(/<text text-anchor="end" [^>]*>120: 0\.\d+, mean 0\.\d+<\/text>/);
  });

  test("what changed sides comes first, with its counts", () => {
    const kinds = [
      ...html.matchAll(
        /<p class="note">(was wrong, is right|was right, is wrong|right both times|wrong both times)/g,
      ),
    ].map(([, kind]) => kind!);
    const stayed = kinds.findIndex((kind) => kind.endsWith("both times"));
    expect(kinds.slice(0, stayed).length).toBeGreaterThan(1);
    expect(kinds.slice(stayed).every((kind) => kind.endsWith("both times"))).toBe(true);
    const [, better, worse, same] =
      /(\d+) questions were wrong and are right, (\d+) were right and are wrong, (\d+) stayed/
        .exec(html)!
        .map(Number);
    expect(better! + worse! + same!).toBe(60);
    expect(better).toBeGreaterThan(worse!);
  });

  test("judgments of the evaluations are counted", () => {
    expect(markdown).toMatch(/\| evaluation start \| \d+ \| \d+ \| 0 \|/);
    expect(markdown).toMatch(/\| RL \| 120 \|/);
  });

  test("no figure is NaN, Infinity or undefined", () => {
    for (const text of [markdown, html]) expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });
});

test("report.md shows what others wrote as text, wherever it stands", () => {
  const hostile =
    "<img src=x onerror=alert(1)> [go](javascript:alert(1)) ![p](http://evil/p.png) `c`\n# heading\n<script>";
  const markdownOf = reportMarkdown({
    title: hostile,
    manifest: undefined,
    config: undefined,
    series: [],
    filter: undefined,
    stages: [],
    gains: [],
    sets: [{ name: hostile, stages: [], gains: [] }],
    samples: [],
    changes: undefined,
    cost: { stages: [{ name: hostile, seconds: 1 }], training: [], judged: [] },
  });
  expect(markdownOf).not.toMatch(/<(img|script)|\]\(|^# heading|(?<!\\)`c/m);
  expect(markdownOf).toContain("go]\\(javascript");
});

test("further sets of questions have a section each, which neither the main result nor its samples mix with", async () => {
  const other = join(dir, "run", "sets", "more of it");
  await fs.mkdir(other, { recursive: true });
  for (const stage of ["start", "trained"])
    await fs.copyFile(
      join(dir, "run", `evaluation-${stage}.jsonl`),
      join(other, `evaluation-${stage}.jsonl`),
    );
  const files = await writeReport(join(dir, "run"));
  const both = [await fs.readFile(files.markdown, "utf8"), await fs.readFile(files.html, "utf8")];
  await fs.rm(join(dir, "run", "sets"), { recursive: true });
  for (const text of both) {
    expect(text).toContain("more of it");
    expect(text.match(/start → trained: /g)).toHaveLength(2);
  }
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
