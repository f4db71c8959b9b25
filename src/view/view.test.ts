/** The server of `swirl view`, over HTTP, on run directories that are written, appended to and damaged here. */
import { appendFile, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import {
  HOSTILE,
  VIEW_JUDGE,
  viewEvaluation,
  viewMetrics,
  viewTrajectory,
  writeViewRun,
} from "../../tests/support/view-run.js";
import { serveView, type ViewServer } from "./serve.js";

const CORPUS = join(import.meta.dirname, "../../tests/corpus/0.1.0");
let whole: string; // only read
beforeAll(async () => {
  whole = join(temporaryFolder(), "whole");
  await writeViewRun(whole, 300);
});

let server: ViewServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function open(...folders: string[]): Promise<ViewServer> {
  server = await serveView({ folders, port: 0, pollMs: 20 });
  for (const run of server.runs.runs) await run.refresh();
  return server;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are JSON
async function get(path: string, parameters: Record<string, unknown> = {}): Promise<any> {
  const query = new URLSearchParams(
    Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, String(value)])),
  );
  const response = await fetch(`${server!.url}api/${path}?${query}`);
  return { status: response.status, ...((await response.json()) as object) };
}

/** A request with headers that fetch does not let one set. */
function raw(path: string, headers: Record<string, string>, method = "GET") {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>(
    (resolve, reject) => {
      const sent = request(new URL(path, server!.url), { method, headers }, (response) => {
        let body = "";
        response.on("data", (chunk) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      });
      sent.on("error", reject);
      sent.end();
    },
  );
}

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (const started = Date.now(); Date.now() - started < 20_000; ) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("it did not happen");
}

describe("what it shows", () => {
  it("one run: results with intervals, the filter, counts and the judge", async () => {
    await open(whole);
    const { runs } = await get("runs");
    expect(runs).toHaveLength(1);
    const [run] = runs;
    expect(run).toMatchObject({
      metrics: { rows: 40, damaged: 0 },
      actions: { rows: 40 },
      filter: { applied: "process" },
      hasKept: true,
      problems: [],
      verdicts: { judges: [VIEW_JUDGE] },
    });
    expect(run.tables.map(({ name, rows }: { name: string; rows: number }) => [name, rows])).toEqual([
      ["evaluation-base", 60],
      ["evaluation-trained", 60],
      ["trajectories", 300],
    ]);
    const [base, trained] = run.tables;
    expect(base.accuracy).toMatchObject({ value: 0.25, n: 60 });
    expect(trained.accuracy.value).toBeCloseTo(29 / 60);
    expect(base.accuracy.low).toBeLessThan(0.25);
    expect(base.processLabel.n).toBeGreaterThan(50);
  });

  it("searches, filters and sorts", async () => {
    await open(whole);
    const rows = (more: object = {}) => get("rows", { run: 0, file: "trajectories", limit: 200, ...more });
    const all = await rows();
    expect(all).toMatchObject({ total: 300, matched: 300, judge: VIEW_JUDGE });
    // 300 trajectories: every 11th from the 5th on is malformed, every third of the others is wrong
    const malformed = Array.from({ length: 300 }, (_, i) => i).filter((i) => i % 11 === 5);
    const wrong = Array.from({ length: 300 }, (_, i) => i).filter((i) => i % 11 !== 5 && i % 3 === 0);
    expect(all.facets).toMatchObject({
      ends: { malformed: malformed.length, answer: 300 - malformed.length },
      outcomes: { wrong: wrong.length, "no answer": malformed.length },
      tools: { calculator: 300 },
    });
    expect((await rows({ outcome: "wrong" })).rows.map(({ row }: { row: number }) => row)).toEqual(wrong);
    expect((await rows({ end: "malformed" })).matched).toBe(malformed.length);
    const failed = await rows({ verdict: "failed" });
    expect(failed.rows.map(({ id, marks }: { id: string; marks: string }) => [id, marks])).toEqual(
      [96, 193, 290].map((i) => [`q${i}/0`, "FF"]),
    );
    expect((await rows({ search: "(123)" })).rows.map(({ id }: { id: string }) => id)).toEqual(["q123/0"]);
    expect((await rows({ search: "<SCRIPT>" })).rows[0].question).toContain("<script>");
    expect((await rows({ kept: true })).matched).toBe((await get("runs")).runs[0].filter.handedOn);
    const slow = await rows({ sort: "time", descending: true, limit: 2 });
    expect(slow.rows.map(({ milliseconds }: { milliseconds: number }) => milliseconds)).toEqual([119, 119]);
    expect((await rows({ minTokens: 9 })).matched).toBe(0);
  });

  it("a trajectory: thoughts apart, the verdict and reason of each step", async () => {
    await open(whole);
    const record = await get("record", { run: 0, file: "trajectories", row: 3 });
    expect(record).toMatchObject({
      questionId: "q3",
      shown: { outcome: "wrong", kept: false },
      judge: VIEW_JUDGE,
      matcher: "numeric",
      steps: [
        {
          kind: "call",
          parts: [
            { thought: true, text: "<think>Let me add 21 and 39.</think>" },
            { thought: false, text: "<math_exp>21 + 39</math_exp>" },
          ],
          verdict: { good: true, reason: "step 1 follows" },
          observation: { text: "21 + 39 -> 60" },
        },
        { kind: "answer", verdict: { good: false, reason: "step 2 does not follow" } },
      ],
    });
    const huge = await get("record", { run: 0, file: "trajectories", row: 50 * 5 + 17 });
    expect(huge.question.length).toBe(200_001);
    expect((await get("tokens", { run: 0, file: "trajectories", row: 3 })).problem).toMatch(/No tokenizer/);
    expect(await get("record", { run: 0, file: "trajectories", row: 300 })).toMatchObject({ status: 400 });
  });

  it("one question in every evaluation, a comparison, curves, and the actions of an update", async () => {
    await open(whole);
    const { records } = await get("question", { run: "0", question: "t8" });
    expect(records.map(({ file }: { file: string }) => file)).toEqual([
      "evaluation-base",
      "evaluation-trained",
    ]);
    const compare = {
      beforeRun: 0,
      beforeFile: "evaluation-base",
      afterRun: 0,
      afterFile: "evaluation-trained",
    };
    const comparison = await get("compare", compare);
    expect(comparison).toMatchObject({ questions: 60, gainedCount: 15, lostCount: 1, bothRight: 14 });
    expect(comparison.lost[0]).toMatchObject({ id: "t8", before: "90", after: "-1" });
    const missing = await get("compare", { ...compare, afterFile: "trajectories" });
    expect(missing).toMatchObject({
      status: 400,
      error: expect.stringMatching(/second evaluation has no questions/),
    });
    const curves = await get("curves", { run: 0, from: 38 });
    expect(curves).toMatchObject({
      from: 38,
      rows: 40,
      columns: { step: [39, 40], num_tokens: [3900, 4000] },
    });
    expect((await get("steps", { run: 0 })).steps).toHaveLength(40);
    expect((await get("actions", { run: 0, step: 7 })).states[0].actions[0]).toMatchObject({
      advantage: 0.5,
    });
    expect(await get("actions", { run: 0, step: 77 })).toMatchObject({ status: 400 });
  });

  it("a run of version 0.1.0, with the tokens of its policy", async () => {
    await open(CORPUS);
    const { runs } = await get("runs");
    expect(runs.map(({ name }: { name: string }) => name)).toEqual(["killed", "run"]);
    expect(runs[1]).toMatchObject({ problems: [], metrics: { rows: 12, damaged: 0 }, actions: { rows: 0 } });
    expect(runs[1].tables.every(({ damaged }: { damaged: number }) => damaged === 0)).toBe(true);
    const { steps } = await get("tokens", { run: 1, file: "trajectories", row: 0 });
    const record = await get("record", { run: 1, file: "trajectories", row: 0 });
    const text = record.steps[0].parts.map((part: { text: string }) => part.text).join("");
    expect(steps[0].pieces.join("")).toContain(text.trim());
    expect(steps[0].logprobs).toHaveLength(steps[0].pieces.length);
  });
});

describe("while a run is in progress", () => {
  it("follows files as they grow, a line at a time, and tells the pages", async () => {
    const folder = join(temporaryFolder(), "live");
    await mkdir(folder);
    await writeFile(join(folder, "metrics.jsonl"), `${JSON.stringify(viewMetrics(1))}\n`);
    await open(folder);
    const told: string[] = [];
    const stop = new AbortController();
    const events = await fetch(`${server!.url}api/events`, { signal: stop.signal });
    const reading = (async () => {
      for await (const chunk of events.body!) told.push(Buffer.from(chunk as Uint8Array).toString());
    })().catch(() => {});
    const line = JSON.stringify(viewTrajectory(0));
    await appendFile(join(folder, "trajectories.jsonl"), line.slice(0, 40)); // half a line
    const half = await until(async () => {
      const [run] = (await get("runs")).runs;
      const view = server!.runs.runs[0]!.tables.get("trajectories");
      return view?.tail.state.pending === 40 && run;
    });
    expect(half.tables).toEqual([]);
    await appendFile(
      join(folder, "trajectories.jsonl"),
      `${line.slice(40)}\n${JSON.stringify(viewTrajectory(1))}\n`,
    );
    await appendFile(join(folder, "metrics.jsonl"), `${JSON.stringify(viewMetrics(2))}\n`);
    const grown = await until(async () => {
      const [run] = (await get("runs")).runs;
      return run.tables[0]?.rows === 2 && run.metrics.rows === 2 && run;
    });
    expect(grown).toMatchObject({ live: true, tables: [{ name: "trajectories", damaged: 0, progress: 1 }] });
    expect(told.join("")).toContain('data: {"runs":[0]}');
    stop.abort();
    await reading;
  });

  it("finds runs that begin later, and reads a file that was replaced again", async () => {
    const folder = temporaryFolder();
    await open(folder);
    expect((await get("runs")).runs).toEqual([]);
    const events = new AbortController();
    await fetch(`${server!.url}api/events`, { signal: events.signal }); // a page is open
    await mkdir(join(folder, "a"));
    const log = join(folder, "a", "metrics.jsonl");
    await writeFile(log, [1, 2, 3].map((step) => `${JSON.stringify(viewMetrics(step))}\n`).join(""));
    await until(async () => (await get("runs")).runs[0]?.metrics.rows === 3);
    const before = await get("curves", { run: 0 });
    await writeFile(`${log}.new`, `${JSON.stringify(viewMetrics(1))}\n`); // as a resumed run shortens its log
    await rename(`${log}.new`, log);
    await until(async () => (await get("runs")).runs[0]?.metrics.rows === 1);
    expect((await get("curves", { run: 0 })).generation).toBeGreaterThan(before.generation);
    await rm(log);
    await until(async () => (await get("runs")).runs[0]?.metrics.rows === 0);
    events.abort();
  });

  it("judges trajectories when the verdicts come after them", async () => {
    const folder = join(temporaryFolder(), "late");
    await writeViewRun(folder, 20);
    await rename(join(folder, "verdicts.jsonl"), join(folder, "later"));
    await open(folder);
    const rows = () => get("rows", { run: 0, file: "trajectories" });
    expect((await rows()).rows[0].marks).toBe("--");
    await rename(join(folder, "later"), join(folder, "verdicts.jsonl"));
    await server!.runs.runs[0]!.refresh();
    await server!.runs.runs[0]!.refresh();
    expect((await rows()).rows[0].marks).toBe("GB");
  });
});

describe("damaged files", () => {
  it("leaves damaged lines out, counts and names them, and shows the rest", async () => {
    const folder = join(temporaryFolder(), "damaged");
    await mkdir(folder);
    const good = (i: number) => JSON.stringify(viewTrajectory(i));
    await writeFile(
      join(folder, "trajectories.jsonl"),
      `${good(0)}\n{"version":1,"id":"torn\n\n[]\n{"id":3}\nnull\n${good(1)}\n\u0000\u0000\n${good(2)}`, // complete without a newline
    );
    await writeFile(
      join(folder, "evaluation-x.jsonl"),
      `${JSON.stringify(viewEvaluation(0, true))}\n{"correct":1,"trajectory":{}}\n`,
    );
    await writeFile(
      join(folder, "metrics.jsonl"),
      `{"step":1,"loss":0.5}\n{"loss":1}\nnot JSON\n{"step":2,"loss":"NaN"}\n`,
    );
    await writeFile(join(folder, "manifest.json"), "{");
    await writeFile(join(folder, "filter.json"), '{"pool":"many"}');
    await open(folder);
    const [run] = (await get("runs")).runs;
    const table = (name: string) => run.tables.find((each: { name: string }) => each.name === name);
    expect(table("trajectories")).toMatchObject({ rows: 3, damaged: 5, pending: 0 });
    expect(table("trajectories").problems.map(({ line }: { line: number }) => line)).toEqual([2, 4, 5, 6, 8]);
    expect(table("evaluation-x")).toMatchObject({ rows: 1, damaged: 1 });
    expect(run.metrics).toEqual({ rows: 2, damaged: 2 });
    expect(run.problems.join("\n")).toMatch(/manifest\.json: not JSON/);
    expect(run.problems.join("\n")).toMatch(/filter\.json: pool/);
    await appendFile(join(folder, "trajectories.jsonl"), `\n${good(3)}\n`);
    await server!.runs.runs[0]!.refresh();
    expect((await get("rows", { run: 0, file: "trajectories" })).total).toBe(4);
    expect((await get("record", { run: 0, file: "trajectories", row: 3 })).questionId).toBe("q3");
  });

  it("refuses a folder that is not there, a file, and a port that is taken", async () => {
    const folder = temporaryFolder();
    await expect(serveView({ folders: [join(folder, "gone")] })).rejects.toMatchObject({
      code: "INPUT",
      message: expect.stringMatching(/gone: cannot be read.*ENOENT[\s\S]*→ name a run directory/),
    });
    await writeFile(join(folder, "file"), "");
    await expect(serveView({ folders: [join(folder, "file")] })).rejects.toThrow(/is a file/);
    const taken = createServer();
    const port = await new Promise<number>((resolve) =>
      taken.listen(0, "127.0.0.1", () => resolve((taken.address() as { port: number }).port)),
    );
    await expect(serveView({ folders: [folder], port })).rejects.toThrow(/EADDRINUSE[\s\S]*--port/);
    await new Promise((resolve) => taken.close(resolve));
    const [one, two] = [await serveView({ folders: [folder] }), await serveView({ folders: [folder] })];
    expect(one.url).not.toBe(two.url);
    await Promise.all([one.close(), two.close()]);
  });

  it("ends while pages are open", async () => {
    await open(whole);
    const events = await fetch(`${server!.url}api/events`);
    const ended = events.body!.getReader();
    await server!.close();
    await until(async () => (await ended.read().catch(() => ({ done: true }))).done);
  });
});

describe("which requests are answered", () => {
  it("answers only to its own names, and only reads", async () => {
    await open(whole);
    const { host } = new URL(server!.url);
    expect((await raw("/", { host })).status).toBe(200);
    expect((await raw("/", { host: host.replace("127.0.0.1", "LOCALHOST") })).status).toBe(200);
    for (const name of [
      "evil.example",
      "evil.example:80",
      `127.0.0.1.evil.example:${new URL(server!.url).port}`,
      "127.0.0.1",
    ])
      expect((await raw("/api/runs", { host: name })).status, name).toBe(421);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"])
      expect((await raw("/api/runs", { host }, method)).status).toBe(405);
    expect(
      (await raw("/api/runs", { host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" })).status,
    ).toBe(403);
    const { headers } = await raw("/api/runs", { host, origin: "https://evil.example" });
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(headers["content-security-policy"]).toMatch(/default-src 'none'; script-src 'self';/);
  });

  it("serves its own files and nothing else", async () => {
    const folder = join(temporaryFolder(), "run");
    await mkdir(folder);
    await writeFile(join(folder, "metrics.jsonl"), "");
    await writeFile(join(folder, "secret.jsonl"), '{"key":"sk-secret"}\n');
    await symlink("/etc/passwd", join(folder, "link.jsonl"));
    await open(folder);
    const { host } = new URL(server!.url);
    for (const path of [
      "/../package.json",
      "/%2e%2e/package.json",
      "/vendor/../../package.json",
      "/constructor",
      "/.git/config",
      "/app.js/",
    ])
      expect((await raw(path, { host })).status, path).toBe(404);
    expect((await raw("/vendor/preact.js", { host })).headers["content-type"]).toMatch(/^text\/javascript/);
    for (const file of ["../../../etc/passwd", "manifest", "__proto__", "secret/../x"])
      expect(await get("rows", { run: 0, file })).toMatchObject({ status: 400 });
    for (const file of ["secret", "link"]) expect((await get("rows", { run: 0, file })).rows).toEqual([]);
    for (const path of ["nothing", "rows", "rows?run=9&file=x"])
      expect(await get(path)).toMatchObject({ status: 400 });
  });

  it("sends text unchanged, to be shown as text", async () => {
    await open(whole);
    const { body, headers } = await raw("/api/record?run=0&file=trajectories&row=17", {
      host: new URL(server!.url).host,
    });
    expect(headers["content-type"]).toMatch(/^application\/json/);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(JSON.parse(body).question).toContain(HOSTILE[0]);
  });
});
