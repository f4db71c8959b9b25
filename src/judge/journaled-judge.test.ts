import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { stepView } from "../../tests/support/step-view.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import type { StepView } from "../trajectory/step-views.js";
import { journaledJudge } from "./journaled-judge.js";
import type { Judge, Verdict } from "./judge.js";
import { RuleJudge } from "./rule-judge.js";
import { VerdictJournal } from "./verdict-journal.js";

let folder: string;
let file: string;
beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder, "verdicts.jsonl");
});

const step = (i: number): StepView => stepView({ action: `action ${i}` });
const lines = async () =>
  (await readFile(file, "utf8"))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

function counting(
  verdict: (view: StepView, calls: number) => Verdict | Promise<Verdict> = () => ({
    status: "ok",
    good: true,
    score: 1,
    votes: 1,
  }),
) {
  const judge = {
    id: "counting",
    calls: 0,
    open: 0,
    maxOpen: 0,
    async judge(view: StepView): Promise<Verdict> {
      judge.maxOpen = Math.max(judge.maxOpen, ++judge.open);
      await new Promise((resolve) => setTimeout(resolve, 1));
      judge.open--;
      return await verdict(view, ++judge.calls);
    },
  };
  return judge;
}

describe("journaledJudge", () => {
  it("asks once for equal steps, also at the same time, and writes one line each", async () => {
    const inner = counting();
    await using judge = await journaledJudge(inner, file, { concurrency: 4 });
    await Promise.all(Array.from({ length: 60 }, (_, i) => judge.judge(step(i % 20))));
    await judge.judge(step(3));
    expect(inner.calls).toBe(20);
    expect(inner.maxOpen).toBeLessThanOrEqual(4);
    expect(judge.stats).toEqual({ asked: 20, shared: 40, cached: 1, failed: 0 });
    const written = await lines();
    expect(new Set(written.map((line) => line.key)).size).toBe(20);
    expect(written).toHaveLength(20);
    expect(written[0]).toMatchObject({
      version: 1,
      judge: "counting",
      verdict: { status: "ok", good: true },
    });
  });

  it("takes up where an earlier process stopped", async () => {
    const first = counting();
    const before = await journaledJudge(first, file);
    for (let i = 0; i < 5; i++) await before.judge(step(i));
    await before.close();
    const second = counting(() => ({ status: "ok", good: false, score: 0, votes: 1 }));
    await using after = await journaledJudge(second, file);
    const verdicts = await Promise.all(Array.from({ length: 7 }, (_, i) => after.judge(step(i))));
    expect(verdicts.map((v) => v.status === "ok" && v.good)).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(second.calls).toBe(2);
  });

  it("survives a torn last line and asks for it again", async () => {
    const before = await journaledJudge(counting(), file);
    for (let i = 0; i < 3; i++) await before.judge(step(i));
    await before.close();
    const whole = await readFile(file, "utf8");
    const last = whole.trimEnd().lastIndexOf("\n");
    await writeFile(file, whole.slice(0, last + 30));
    const inner = counting();
    const after = await journaledJudge(inner, file);
    for (let i = 0; i < 3; i++) await after.judge(step(i));
    await after.close();
    expect(inner.calls).toBe(1);
    expect(await readFile(file, "utf8")).toBe(whole);
  });

  it.each([
    ["another version", '{"version":2}', /another version: version 2/],
    [
      "no verdict",
      `{"version":1,"key":"${"0".repeat(64)}","judge":"j","verdict":{"status":"maybe"},"question":"","action":""}`,
      /:2: verdict field verdict/,
    ],
    ["no JSON", "{oops", /:2: not JSON/],
  ])("names file and line of %s", async (_, line, message) => {
    const before = await journaledJudge(counting(), file);
    await before.judge(step(0));
    await before.close();
    await appendFile(file, `${line}\n`);
    await expect(journaledJudge(counting(), file)).rejects.toThrow(message);
  });

  it("records nothing that it could not read again", async () => {
    await using journal = await VerdictJournal.open(file);
    const verdict: Verdict = { status: "ok", good: true, score: Number.NaN, votes: 1 };
    await expect(journal.add("0".repeat(64), "j", step(0), verdict)).rejects.toMatchObject({
      code: "RECORD",
      message: expect.stringContaining("verdict.score"),
    });
    expect(await lines()).toEqual([]);
  });

  it("opens a journal of version 0.1.0 with a score of null, and asks for that step again", async () => {
    const before = await journaledJudge(counting(), file);
    await before.judge(step(0));
    await before.close();
    await writeFile(file, (await readFile(file, "utf8")).replace('"score":1', '"score":null'));
    const inner = counting();
    await using after = await journaledJudge(inner, file);
    expect(await after.judge(step(0))).toMatchObject({ status: "ok", score: 1 });
    expect(inner.calls).toBe(1);
  });

  it("asks again for a failed verdict, unless told to keep it", async () => {
    const flaky = counting((_, calls) =>
      calls === 1 ? { status: "failed", error: "down" } : { status: "ok", good: true, score: 1, votes: 1 },
    );
    const before = await journaledJudge(flaky, file);
    expect(await before.judge(step(0))).toEqual({ status: "failed", error: "down" });
    await before.close();

    const keeping = await journaledJudge(flaky, file, { retryFailed: false });
    expect(await keeping.judge(step(0))).toEqual({ status: "failed", error: "down" });
    await keeping.close();
    expect(flaky.calls).toBe(1);

    await using asking = await journaledJudge(flaky, file);
    expect(await asking.judge(step(0))).toMatchObject({ status: "ok" });
    expect((await lines()).map((line) => line.verdict.status)).toEqual(["failed", "ok"]);
  });

  it("keeps judges apart that share one journal", async () => {
    await using journal = await VerdictJournal.open(file);
    const yes = await journaledJudge(new RuleJudge({ id: "yes", rule: () => true }), journal);
    const no = await journaledJudge(new RuleJudge({ id: "no", rule: () => false }), journal);
    expect(await yes.judge(step(0))).toMatchObject({ good: true });
    expect(await no.judge(step(0))).toMatchObject({ good: false });
    expect(journal.size).toBe(2);
  });

  it("lets one of two callers leave, and stops when both have", async () => {
    let stopped = 0;
    const slow: Judge = {
      id: "slow",
      judge: (_, options) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(() => resolve({ status: "ok", good: true, score: 1, votes: 1 }), 60);
          options?.signal?.addEventListener("abort", () => {
            stopped++;
            clearTimeout(timer);
            reject(new Error("stopped"));
          });
        }),
    };
    await using judge = await journaledJudge(slow, file);
    const leaving = new AbortController();
    const a = judge.judge(step(0), { signal: leaving.signal });
    const b = judge.judge(step(0), { signal: new AbortController().signal });
    setTimeout(() => leaving.abort(), 10);
    await expect(a).rejects.toMatchObject({ code: "ABORTED" });
    expect(await b).toMatchObject({ status: "ok" });
    expect(stopped).toBe(0);
    const alone = new AbortController();
    const c = judge.judge(step(1), { signal: alone.signal });
    setTimeout(() => alone.abort(), 10);
    await expect(c).rejects.toMatchObject({ code: "ABORTED" });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(stopped).toBe(1);
    expect(await lines()).toHaveLength(1);
  });
});
