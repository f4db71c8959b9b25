/**
 * The command in a terminal: every one of them ends when Ctrl-C is pressed or when something fails inside it, with the
 * right exit code, the whole message and the terminal as it was. python3 opens the terminal: a build needs it anyway.
 */
import { execFile, spawn } from "node:child_process";
import { cp, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { writeTinyModel } from "../support/tiny-world.js";

let compiled: Compiled;
let folder: string;
let silent: Server; // a judge that never answers

const questions = (limit: number) => ({ dataset: "gsm8k", file: "rows.jsonl", limit });
const config = {
  model: "model",
  device: "cpu",
  threads: 1,
  task: { kind: "calculator", callLimit: 100 },
  questions: { train: questions(400), test: questions(400) },
  rollout: { maxNewTokens: 60, malformed: "retry-message" },
  sft: { demonstrations: questions(8), batchSize: 2, steps: 20_000 },
  synthesize: { samples: 4 },
  filter: { kind: "none" },
  train: { steps: 20_000, batchSize: 4, samplesPerState: 2, klWeight: 0 },
  evaluate: { at: ["base"] },
};

beforeAll(async () => {
  compiled = await compile();
  folder = temporaryFolder();
  await writeTinyModel(join(folder, "model"), { context: 16_384 });
  const row = (i: number) => ({
    question: `Ann has ${i} hats and buys 4?`,
    answer: `<<${i}+4=${i + 4}>>\n#### ${i + 4}`,
  });
  await writeFile(
    join(folder, "rows.jsonl"),
    Array.from({ length: 400 }, (_, i) => `${JSON.stringify(row(i))}\n`).join(""),
  );
  silent = createServer(async (request, response) => {
    if (request.method === "GET") return void response.writeHead(404).end();
    let body = "";
    for await (const chunk of request) body += chunk;
    if (!body.includes("Say OK")) return; // it answers the probe, and then no more
    const choices = [0, 1].map((index) => ({
      index,
      finish_reason: "length",
      message: { role: "assistant", content: "OK" },
    }));
    response.setHeader("content-type", "application/json").end(JSON.stringify({ choices }));
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const baseURL = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
  const judge = { kind: "prompted", endpoint: { baseURL, model: "m", maxRetries: 0 } };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await writeFile(
    join(folder, "judged.json"),
    JSON.stringify({ ...config, judge, filter: { kind: "process" } }),
  );
  // A run that has gone through sft, synthesize and filter, for the commands that begin there.
  const small = ["-c", "config.json", "--output", "done", "--set", "sft.steps=2"];
  for (const args of [["sft"], ["synthesize", "--limit", "3"], ["filter"]])
    await promisify(execFile)(process.execPath, [main(), ...args, ...small], { cwd: folder, env: env() });
}, 120_000);
afterAll(() => {
  silent.closeAllConnections();
  silent.close();
});

const driver = fileURLToPath(new URL("../support/in-terminal.py", import.meta.url));
const main = () => compiled.file("src/cli/main.ts");
const env = (more: NodeJS.ProcessEnv = {}) => ({
  ...process.env,
  SWIRL_ADDON: loadAddonFrom().path,
  ...more,
});

interface Ended {
  code: number | null;
  output: string;
  /** What stands on the screen at the end, line by line. */
  screen: string[];
}

async function inTerminal(
  args: string[],
  options: { keys?: [string, string][]; columns?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const { keys = [], columns = 100 } = options;
  const { stdout } = await promisify(execFile)(
    "python3",
    [driver, JSON.stringify({ columns, keys, seconds: 50 }), process.execPath, main(), ...args],
    { cwd: folder, env: env(options.env), maxBuffer: 1 << 26 },
  );
  const { code, output } = JSON.parse(stdout) as { code: number | null; output: string };
  const screen = output.split(/\r?\n/).map((line) => stripVTControlCharacters(line.split("\r").at(-1)!));
  return { code, output, screen };
}

/** The terminal as it was: cursor shown, lines wrapped, the last line ended. */
function expectRestored({ output }: Ended): void {
  for (const mode of ["?25", "?7"])
    expect(output.lastIndexOf(`\u001b[${mode}l`)).toBeLessThanOrEqual(output.lastIndexOf(`\u001b[${mode}h`));
  expect(output).toMatch(/\n$/);
  expect(output).not.toMatch(/NaN|NFs|Infinity|undefined/);
}

const fresh = (name: string) => ["-c", "config.json", "--output", `${name}-stopped`];
const later = async (name: string) => {
  await cp(join(folder, "done"), join(folder, `${name}-stopped`), { recursive: true });
  return fresh(name);
};
const CTRL_C = "\x03";

describe("Ctrl-C", () => {
  const cases: [name: string, args: () => Promise<string[]> | string[], when: string][] = [
    ["demo", () => ["demo", "--output", "demo-stopped", "--threads", "1"], "(demonstrate|sft) .*\\d+/\\d+"],
    ["run", () => ["run", ...fresh("run")], "eval base .*\\d+/400"],
    ["sft", () => ["sft", ...fresh("sft")], "sft .*loss"],
    ["synthesize", async () => ["synthesize", ...(await later("synthesize"))], "synthesize .*\\d+/1600"],
    ["judge", async () => ["judge", ...(await later("judge")), "-c", "judged.json"], "judge "],
    ["filter", async () => ["filter", ...(await later("filter")), "-c", "judged.json"], "filter "],
    ["train", async () => ["train", ...(await later("train"))], "train .*\\d+/20000"],
    ["eval", async () => ["eval", ...(await later("eval"))], "eval .*\\d+/400"],
    [
      "solve",
      () => ["solve", ...fresh("solve"), "--set", "rollout.maxNewTokens=15000", "How many?"],
      "load .*20/20.*\n",
    ],
    ["logprobs", () => ["logprobs", "--model", "model", "--device", "cpu", "--in", "-"], "load .*\n"],
  ];
  it.each(cases)(
    "stops swirl %s with exit code 130",
    async (_name, args, when) => {
      const ended = await inTerminal(await args(), { keys: [[when, CTRL_C]] });
      expect(ended, ended.output.slice(-2000)).toMatchObject({ code: 130 });
      expectRestored(ended);
      expect(ended.screen).toContainEqual(expect.stringMatching(/^stopping at the next safe point/));
      expect(ended.screen.at(-2)).toMatch(/^stopped\. Run the same command again/);
    },
    60_000,
  );

  it("ends at once when it is pressed again", async () => {
    const keys: [string, string][] = [
      ["judge ", CTRL_C],
      ["stopping at", CTRL_C],
    ];
    const args = ["judge", ...(await later("twice")), "-c", "judged.json"];
    const ended = await inTerminal(args, { keys });
    expect(ended, ended.output).toMatchObject({ code: 130 });
    expectRestored(ended);
    expect(ended.output).not.toMatch(/stopped\./);
  });
});

describe("an error inside a stage", () => {
  const cases: [name: string, args: () => Promise<string[]> | string[], message: RegExp][] = [
    ["demo", () => ["demo", "--output", "rows.jsonl"], /rows\.jsonl is a file/],
    ["run", () => ["run", ...fresh("run-error"), "--set", "memoryBudget=1000"], /memoryBudget is/],
    [
      "sft",
      async () => ["sft", ...(await planted("sft-metrics.jsonl"))],
      /sft-metrics.jsonl:1: this is not a line of metrics/,
    ],
    [
      "synthesize",
      async () => ["synthesize", ...(await planted("trajectories.jsonl"))],
      /is not a file of records|:1: not JSON/,
    ],
    ["judge", async () => ["judge", ...(await damaged("judge-error"))], /:13: not JSON/],
    ["filter", async () => ["filter", ...(await damaged("filter-error"))], /:13: not JSON/],
    ["train", async () => ["train", ...(await damaged("train-error"))], /:13: not JSON/],
    [
      "eval",
      async () => ["eval", ...(await planted("evaluation-start.jsonl"))],
      /evaluation-start.jsonl:1: not JSON/,
    ],
    [
      "solve",
      () => ["solve", ...fresh("solve-error"), "--set", "memoryBudget=1000", "Why?"],
      /memoryBudget is/,
    ],
    ["logprobs", () => ["logprobs", "--model", "model", "--in", "rows.jsonl"], /rows\.jsonl:1: unknown key/],
  ];
  it.each(cases)("ends swirl %s with exit code 1 and the whole message", async (_name, args, message) => {
    const ended = await inTerminal(await args());
    expect(ended, ended.output.slice(-2000)).toMatchObject({ code: 1 });
    expectRestored(ended);
    const at = ended.screen.findIndex((line) => line.startsWith("error: "));
    expect(ended.screen[at]).toMatch(message);
    expect(ended.screen.slice(at + 1).filter((line) => !/^ {2}/.test(line))).toEqual([""]); // its remedy is the last
  });

  /** A file of that name which is none of the command's own. */
  async function planted(file: string): Promise<string[]> {
    const args = await later(file);
    await writeFile(join(folder, `${file}-stopped`, file), "# a title\n");
    return args;
  }

  async function damaged(name: string): Promise<string[]> {
    const args = await later(name);
    for (const file of ["trajectories.jsonl", "kept.jsonl"]) {
      const path = join(folder, `${name}-stopped`, file);
      await writeFile(path, `${await readFile(path, "utf8")}{"version":\n`);
    }
    return args;
  }
});

describe("a terminal", () => {
  it("that is narrow gets no line that wraps; one that is dumb or wants no color gets no control characters", async () => {
    const args = ["synthesize", ...(await later("narrow")), "--limit", "4"];
    const narrow = await inTerminal(args, { columns: 24 });
    expect(narrow.code).toBe(0);
    const drawn = narrow.output.split(/[\r\n]/).filter((line) => line.startsWith("\u001b[K"));
    expect(drawn.length).toBeGreaterThan(1);
    for (const line of drawn) expect([...stripVTControlCharacters(line)].length, line).toBeLessThan(24);
    const again = ["--set", "synthesize.samples=5"];
    const plain = await inTerminal([...args, ...again], { env: { TERM: "dumb", NO_COLOR: "1" } });
    expect(plain.code).toBe(0);
    expect(plain.output).not.toContain("\u001b");
    const uncolored = await inTerminal(["--help"], { env: { NO_COLOR: "1" } });
    expect(uncolored.output).not.toContain("\u001b");
  });

  it("gets its prompt back from a command that just ends", async () => {
    const ended = await inTerminal(["doctor"]);
    expect(ended.code).toBe(0);
    expectRestored(ended);
  });
});

describe("without a terminal", () => {
  /** Runs the command with a shell around it. */
  const shell = (script: string, args: string[]) =>
    new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
      const command = [process.execPath, main(), ...args].map((part) => `'${part}'`).join(" ");
      const child = spawn("bash", ["-c", script.replace("SWIRL", command)], { cwd: folder, env: env() });
      const ended = { code: null as number | null, out: "", err: "" };
      child.stdout.on("data", (data) => {
        ended.out += data;
      });
      child.stderr.on("data", (data) => {
        ended.err += data;
      });
      child.on("close", (code) => resolve({ ...ended, code }));
    });

  it("SIGTERM stops it with 143, SIGHUP with 129", async () => {
    for (const [signal, code] of [
      ["TERM", 143],
      ["HUP", 129],
    ] as const) {
      const args = ["judge", ...(await later(`sig${signal}`)), "-c", "judged.json"];
      const ready = `until [ -e sig${signal}-stopped/verdicts.jsonl.lock ]; do sleep 0.1; done; sleep 1`;
      const ended = await shell(`SWIRL & pid=$!; ${ready}; kill -${signal} $pid; wait $pid`, args);
      expect(ended, ended.err).toMatchObject({ code });
      expect(ended.err).toMatch(/stopping at .*\nstopped\. Run the same command again/);
    }
  });

  it("a closed stderr does not end a run", async () => {
    const args = ["synthesize", ...(await later("closed")), "--limit", "5", "--profile"];
    for (const script of ["SWIRL 2>&-", "{ SWIRL; echo $? >&3; } 3>&1 2>&1 >/dev/null | true"])
      expect((await shell(script, args)).code, script).toBe(0);
    const lines = (await readFile(join(folder, "closed-stopped/trajectories.jsonl"), "utf8"))
      .trim()
      .split("\n");
    expect(lines.length).toBe(20);
  });

  it("a closed stdout stops it quietly with 141, a full one says so", async () => {
    const line = `${JSON.stringify({ tokens: [5, 6, 7], actionStart: 1 })}\n`;
    await writeFile(join(folder, "many.jsonl"), line.repeat(40_000));
    const args = ["logprobs", "--model", "model", "--device", "cpu", "--in", "many.jsonl"];
    const closed = await shell("SWIRL | head -n 1; exit ${PIPESTATUS[0]}", args);
    expect(closed).toMatchObject({ code: 141, out: expect.stringMatching(/^\{"logprobs":.*\}\n$/) });
    expect(closed.err).not.toMatch(/EPIPE|error| at /);
    const full = await shell("SWIRL >/dev/full", args);
    expect(full).toMatchObject({ code: 1, err: expect.stringMatching(/error: .*stdout.*ENOSPC.*\n {2}→ /) });
  });
});
