/** The command as a person runs it: a process of its own, on a tiny random model and a hand-written GSM8K file. */
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { lockFolder } from "../../src/files/lock.js";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { writeTinyModel } from "../support/tiny-world.js";

let compiled: Compiled;
let folder: string;

const rows = [
  ["Ann has 3 hats and buys 4. How many hats has she?", "She has 3+4=<<3+4=7>>7 hats.\n#### 7"],
  ["Bob has 10 cats and sells 6. How many are left?", "He has 10-6=<<10-6=4>>4 left.\n#### 4"],
  ["A box holds 6 pens. How many do 5 boxes hold?", "They hold 6*5=<<6*5=30>>30 pens.\n#### 30"],
  ["Cid runs 2 miles a day for 9 days. How far?", "He runs 2*9=<<2*9=18>>18 miles.\n#### 18"],
].map(([question, answer]) => JSON.stringify({ question, answer }));

const questions = (skip: number, limit: number) => ({ dataset: "gsm8k", file: "rows.jsonl", skip, limit });
const config = {
  model: "model",
  device: "cpu",
  threads: 1,
  seed: 3,
  task: { kind: "calculator", callLimit: 2 },
  questions: { train: questions(0, 2), test: questions(2, 2) },
  rollout: { maxNewTokens: 8 },
  sft: {
    demonstrations: questions(0, 4),
    batchSize: 2,
    steps: 40,
    lr: 1e-3,
    checkpoints: { every: 3, keep: 1 },
  },
  synthesize: { samples: 2 },
  filter: { kind: "none" },
  train: { steps: 2, batchSize: 4, samplesPerState: 2, baseline: "running", lr: 1e-4 },
  evaluate: { at: ["base", "start", "trained"] },
};

beforeAll(async () => {
  compiled = await compile();
  folder = temporaryFolder();
  await writeTinyModel(join(folder, "model"), { context: 2048 });
  await writeFile(join(folder, "rows.jsonl"), rows.map((row) => `${row}\n`).join(""));
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
}, 60_000);

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function swirl(
  args: string[],
  options: { interruptWhen?: () => boolean; input?: string } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [compiled.file("src/cli/main.ts"), ...args], {
      cwd: folder,
      env: { ...process.env, SWIRL_ADDON: loadAddonFrom().path },
    });
    const ended: Ended = { code: null, out: "", err: "" };
    child.stdout.on("data", (chunk) => {
      ended.out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      ended.err += chunk;
    });
    child.stdin.end(options.input ?? "");
    const watch = setInterval(() => {
      if (!options.interruptWhen?.()) return;
      clearInterval(watch);
      child.kill("SIGINT");
    }, 5);
    child.on("close", (code) => {
      clearInterval(watch);
      resolve({ ...ended, code });
    });
  });
}

describe("help and usage", () => {
  it("prints its version and its commands at once", async () => {
    const { version } = JSON.parse(await readFile("package.json", "utf8"));
    expect((await swirl(["--version"])).out).toBe(`${version}\n`);
    const { out, code } = await swirl(["--help"]);
    expect(code).toBe(0);
    for (const name of "demo run sft synthesize judge filter train eval solve logprobs doctor".split(" "))
      expect(out).toMatch(new RegExp(`^  ${name}\\b`, "m"));
    expect((await swirl(["train", "--help"])).out).toMatch(
      /--lr <rate>\s+peak learning rate \(default: 1e-6\)/,
    );
  });

  it("exits 2 for usage and 1 with message and remedy for the rest, without a stack", async () => {
    expect(await swirl(["trian"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("Did you mean train?"),
    });
    expect(await swirl(["train", "--setps", "3"])).toMatchObject({ code: 2 });
    expect(await swirl(["train", "--steps", "three"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("--steps"),
    });
    const missing = await swirl(["train", "-c", "none.json"]);
    expect(missing).toMatchObject({
      code: 1,
      err: expect.stringMatching(/none\.json: there is no such file\n {2}→ /),
    });
    expect(missing.err).not.toMatch(/ at /);
    const unknown = await swirl(["run", "-c", "config.json", "--set", "train.learningRate=1"]);
    expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining("learningRate: unknown option") });
  });
});

describe("swirl run", () => {
  it("does nothing in a dry run but say what it would do", async () => {
    const { out, code } = await swirl(["run", "-c", "config.json", "--output", "dry", "--dry-run", "--json"]);
    expect(code).toBe(0);
    const { config: resolved, plan } = JSON.parse(out);
    expect(resolved).toMatchObject({ model: join(folder, "model"), train: { klWeight: 0.05 } });
    expect(plan.slice(1)).toEqual([
      "evaluate base",
      "sft",
      "evaluate start",
      "synthesize",
      "judge",
      "filter",
      "train",
      "evaluate trained",
    ]);
    expect(existsSync(join(folder, "dry"))).toBe(false);
  });

  it("leaves a run directory alone that another process writes into", async () => {
    const taken = join(folder, "taken");
    await mkdir(join(taken, "sft-checkpoints/latest"), { recursive: true }); // what the later commands start from
    await using _ = await lockFolder(taken);
    for (const name of ["run", "sft", "synthesize", "judge", "filter", "train", "eval"])
      expect(await swirl([name, "-c", "config.json", "--output", "taken"]), name).toMatchObject({
        code: 1,
        err: expect.stringMatching(
          new RegExp(
            `${taken} is in use by process ${process.pid}, since .*\\n {2}→ wait for it, stop it, or `,
          ),
        ),
      });
    expect((await readdir(taken)).sort()).toEqual([".lock", "sft-checkpoints"]);
    const dry = await swirl(["run", "-c", "config.json", "--output", "taken", "--dry-run"]);
    expect(dry.code).toBe(0);
  });

  it("runs the whole loop, and is interrupted and resumed to the same weights", async () => {
    const whole = await swirl(["run", "-c", "config.json", "--output", "whole"]);
    expect(whole.err).not.toMatch(/error/);
    expect(whole.code).toBe(0);
    expect(whole.out).toMatch(/weights +accuracy %/);
    for (const file of [
      "config.resolved.json",
      "manifest.json",
      "metrics.jsonl",
      "trajectories.jsonl",
      "verdicts.jsonl",
      "kept.jsonl",
      "filter.json",
      "checkpoints/latest/model.safetensors",
      "policy/model.safetensors",
      "evaluation-start.jsonl",
      "evaluation-trained.jsonl",
      "report.md",
      "report.html",
    ])
      expect(existsSync(join(folder, "whole", file)), file).toBe(true);

    const metrics = join(folder, "stopped", "sft-metrics.jsonl");
    const stopped = await swirl(["run", "-c", "config.json", "--output", "stopped"], {
      interruptWhen: () => (statSync(metrics, { throwIfNoEntry: false })?.size ?? 0) > 0,
    });
    expect(stopped.code).toBe(130);
    expect(stopped.err).toMatch(/stopping at the next safe point/);
    expect(stopped.err).toMatch(/stopped\. Run the same command again: every stage resumes where it stopped/);
    const resumed = await swirl(["run", "-c", "config.json", "--output", "stopped", "--json"]);
    expect(resumed.code).toBe(0);
    const { stages } = JSON.parse(resumed.out);
    expect(stages.sft.steps).toBe(40);
    expect(stages.sft.resumedFrom).toBeGreaterThan(0);
    const weights = (run: string) => readFile(join(folder, run, "policy", "model.safetensors"));
    expect((await weights("stopped")).equals(await weights("whole"))).toBe(true);

    const again = await swirl(["run", "-c", "config.json", "--output", "whole"]);
    expect(again.err).toMatch(/train: done before/);
    expect(again.out.split("\n")[2]).toBe(whole.out.split("\n")[2]);

    const other = await swirl(["run", "-c", "config.json", "--output", "whole", "--seed", "9"]);
    expect(other).toMatchObject({ code: 1, err: expect.stringContaining("has other values for seed") });

    const eval_ = await swirl([
      "eval",
      "-c",
      "config.json",
      "--output",
      "whole",
      "--weights",
      "start",
      "--json",
    ]);
    expect(JSON.parse(eval_.out)).toMatchObject({ weights: "start", summary: { questions: 2 } });
    const solved = await swirl([
      "solve",
      "-c",
      "config.json",
      "--output",
      "whole",
      "What is 2 + 2?",
      "--json",
    ]);
    expect(JSON.parse(solved.out)).toMatchObject({ question: "What is 2 + 2?", tools: ["calculator"] });
    const voted = await swirl([
      "solve",
      "-c",
      "config.json",
      "--output",
      "whole",
      "--votes",
      "3",
      "What is 2 + 2?",
      "--json",
    ]);
    expect(JSON.parse(voted.out)).toMatchObject({ question: "What is 2 + 2?", votes: expect.any(Array) });
  }, 180_000);
});

describe("swirl compare", () => {
  const corpus = join(import.meta.dirname, "../corpus/0.1.0");
  const run = join(corpus, "run");

  it("compares the first and the last evaluation of a run, and two runs", async () => {
    const one = await swirl(["compare", run]);
    expect(one).toMatchObject({ code: 0, out: expect.stringMatching(/base +0\.0 .*\ntrained +0\.0/) });
    expect(one.out).toContain("wrong both times 2");
    const { code, out } = await swirl(["compare", run, join(corpus, "killed"), "--stage", "base", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      files: [join(run, "evaluation-base.jsonl"), join(corpus, "killed/evaluation-base.jsonl")],
      questions: 2,
      difference: { value: 0, n: 2 },
      gained: [],
    });
  });

  it("refuses what does not pair up, and names the evaluations there are", async () => {
    const other = await swirl(["compare", run, join(corpus, "records/evaluation.jsonl")]);
    expect(other).toMatchObject({
      code: 1,
      err: expect.stringMatching(/has 2 questions.*0 are in both\n {2}→ /),
    });
    expect(await swirl(["compare", run, "--stage", "final"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no evaluation "final": it has the evaluations base, start, trained/),
    });
    expect(await swirl(["compare", join(run, "evaluation-base.jsonl")])).toMatchObject({ code: 1 });
    expect(await swirl(["compare", "nothing-there"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/ENOENT/),
    });
    expect(await swirl(["compare"])).toMatchObject({ code: 2 });
  });
});

describe("swirl view", () => {
  const run = join(import.meta.dirname, "../corpus/0.1.0/run");

  it("serves until Ctrl-C, which is no failure", async () => {
    const child = spawn(process.execPath, [
      compiled.file("src/cli/main.ts"),
      "view",
      run,
      "--port",
      "0",
      "--json",
    ]);
    const started = JSON.parse(String(await new Promise((resolve) => child.stdout.once("data", resolve))));
    expect(started).toMatchObject({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/),
      runs: [run],
    });
    const page = await fetch(started.url);
    expect(await page.text()).toContain("<title>swirl view</title>");
    for (const file of ["app.js", "style.css", "vendor/uplot.js"])
      expect((await fetch(started.url + file)).status, file).toBe(200);
    const open = await fetch(`${started.url}api/events`); // a page that is still open
    const ended = new Promise((resolve) => child.once("close", (code) => resolve(code)));
    child.kill("SIGINT");
    expect(await ended).toBe(0);
    await open.body?.cancel().catch(() => {});
  });

  it("says what is wrong before it serves", async () => {
    expect(await swirl(["view", "nothing-there"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/nothing-there: cannot be read[\s\S]*→ name a run directory/),
    });
    expect(await swirl(["view", "--port", "70000"])).toMatchObject({ code: 2 });
  });
});

describe("--profile", () => {
  it("prints where the time went, and keeps it beside what other stages left", async () => {
    const args = ["-c", "config.json", "--output", "profiled"];
    const sft = await swirl(["sft", ...args, "--profile", "--set", "sft.steps=3"]);
    expect(sft.code).toBe(0);
    expect(sft.err).toMatch(/\nsft, profiled\npeaks: float32 [\d.]+ GFLOP\/s/);
    expect(sft.err).toMatch(/\nupdate: 3 calls, /);
    expect(sft.err).toMatch(/\ngemm +\d+ .*GFLOP\/s/);
    expect(sft.err).toMatch(/\noutside kernels /);
    const synthesized = await swirl(["synthesize", ...args, "--profile", "--json"]);
    expect(synthesized.code).toBe(0);
    expect(synthesized.err).not.toMatch(/peaks/);
    const { computed, cached, hitRate } = JSON.parse(synthesized.out).prompts;
    expect(computed).toBeGreaterThan(0);
    expect(hitRate).toBe(cached / (computed + cached)); // the second sample of a question finds its prompt
    expect(hitRate).toBeGreaterThan(0.3);
    const again = await swirl(["synthesize", ...args, "--set", "synthesize.samples=3"]);
    expect(again.out).toMatch(/\nprompt tokens: \d+ computed, [\d.]+ % found in the KV cache\n/);
    const profile = JSON.parse(await readFile(join(folder, "profiled", "profile.json"), "utf8"));
    expect(Object.keys(profile)).toEqual(["sft", "synthesize"]);
    const calls = (stage: string) => profile[stage].calls.map(({ call }: { call: string }) => call);
    expect(calls("sft")).toContain("update");
    expect(calls("synthesize")).toEqual(["generate"]);
    expect(profile.sft).toMatchObject({ device: "cpu", dtype: "float32" });
    const scored = await swirl(
      ["logprobs", "--model", "model", "--device", "cpu", "--in", "-", "--profile"],
      {
        input: '{"tokens":[5,6,7,8],"actionStart":2}',
      },
    );
    expect(JSON.parse(scored.out).logprobs).toHaveLength(2); // the table is on stderr
    expect(scored.err).toMatch(/\nlogprobs: 1 call, /);
  });
});

describe("swirl logprobs", () => {
  const lines = ['{"tokens":[5,6,7,8],"actionStart":2}', "", '{"tokens":[5,6,9],"actionStart":1}'];

  it("prints a line for a line, and the same from a file and from stdin", async () => {
    await writeFile(join(folder, "in.jsonl"), `${lines.join("\n")}\n`);
    const file = await swirl(["logprobs", "--model", "model", "--device", "cpu", "--in", "in.jsonl"]);
    const stdin = await swirl(["logprobs", "--model", "model", "--device", "cpu", "--in", "-"], {
      input: lines.join("\n"),
    });
    expect(file.out).toBe(stdin.out);
    const printed = file.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).logprobs);
    expect(printed.map(({ length }) => length)).toEqual([2, 2]);
    for (const logprob of printed.flat()) expect(logprob).toBeLessThan(0);
  });

  it.each([
    ['{"tokens":[5,6],"actionStart":0}', /:2: actionStart is 0; with 2 tokens it is 1 … 1/],
    ['{"tokens":[5,6],"actionStart":2}', /:2: actionStart is 2/],
    ['{"tokens":[5,6.5],"actionStart":1}', /:2: tokens is not an array of token ids/],
    ['{"tokens":[5,1000000],"actionStart":1}', /:2: .*1000000/],
    ["{", /:2: not JSON/],
    ['{"tokens":[5,6],"actionStart":1,"x":1}', /:2: unknown key "x"/],
  ])("names the line of %s", async (bad, message) => {
    await writeFile(join(folder, "bad.jsonl"), `${lines[0]}\n${bad}\n`);
    const { code, err } = await swirl([
      "logprobs",
      "--model",
      "model",
      "--device",
      "cpu",
      "--in",
      "bad.jsonl",
    ]);
    expect(code).toBe(1);
    expect(err).toMatch(message);
  });
});
