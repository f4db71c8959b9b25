/** `swirl eval` on several sets of questions, each with its own task and folder. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { runSwirl } from "../support/tiny-run.js";
import { writeTinyModel } from "../support/tiny-world.js";

const sums = { question: "Ann has 3 hats and buys 4. How many hats has she?", answer: "<<3+4=7>>7\n#### 7" };
const facts = { id: "f1", question: "Who designed the Kessler Bridge?", answers: ["Ada Moreno"] };
const config = {
  model: "../model",
  output: "../run",
  device: "cpu",
  threads: 1,
  task: { kind: "calculator", callLimit: 1 },
  questions: { test: { dataset: "gsm8k", file: "sums.jsonl" } },
  rollout: { maxNewTokens: 4 },
  evaluate: {
    sets: {
      facts: {
        questions: { dataset: "jsonl", file: "facts.jsonl" },
        task: { kind: "search", callLimit: 1, corpus: "passages.json" },
      },
      again: { questions: { dataset: "gsm8k", file: "sums.jsonl" } },
    },
  },
};

let compiled: Compiled;
let folder: string;
beforeAll(async () => {
  compiled = await compile();
  folder = temporaryFolder();
  await writeTinyModel(join(folder, "model"), { context: 2048 });
  await mkdir(join(folder, "data")); // paths are relative to the config, not to the working directory
  await writeFile(join(folder, "data/sums.jsonl"), `${JSON.stringify(sums)}\n`);
  await writeFile(join(folder, "data/facts.jsonl"), `${JSON.stringify(facts)}\n`);
  const passages = [{ title: "Kessler Bridge", text: "A road bridge designed by Ada Moreno." }];
  await writeFile(join(folder, "data/passages.json"), JSON.stringify(passages));
  await write(config);
}, 60_000);

const write = (value: object) => writeFile(join(folder, "data/config.json"), JSON.stringify(value));

const evaluate = (...args: string[]) =>
  runSwirl(compiled, folder, ["eval", "-c", "data/config.json", ...args]);
const records = async (file: string) =>
  (await readFile(join(folder, "run", file), "utf8"))
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Record<string, never>]))
    .filter((record) => "trajectory" in record);

it("solves only the sets that --only names, and refuses one that there is not", async () => {
  const unknown = await evaluate("--only", "fact");
  expect(unknown.code).toBe(1);
  expect(unknown.err).toContain("the sets are test, facts, again");
  const { code, out, err } = await evaluate("--only", "facts");
  expect([code, err]).toEqual([0, expect.not.stringContaining("error")]);
  expect(out).toContain("facts\n");
  expect(existsSync(join(folder, "run/evaluation-base.jsonl"))).toBe(false);
  const [record, ...others] = await records("sets/facts/evaluation-base.jsonl");
  expect(others).toEqual([]);
  expect(JSON.stringify(record)).toContain("Kessler Bridge"); // the set's questions, and its task's tool
  expect(JSON.stringify(record)).toContain("search_query");
}, 60_000);

it("solves every set by default, each in its folder, and keeps what is done", async () => {
  const plan = await evaluate("--dry-run");
  expect(plan.out).toContain("sets/again/evaluation-base.jsonl");
  const { code, out } = await evaluate("--json");
  expect(code).toBe(0);
  const result = JSON.parse(out);
  expect(Object.keys(result.sets)).toEqual(["facts", "again"]);
  for (const { summary } of [result, result.sets.facts, result.sets.again]) expect(summary.questions).toBe(1);
  for (const file of ["evaluation-base.jsonl", "sets/again/evaluation-base.jsonl"])
    expect(JSON.stringify(await records(file))).toContain("math_exp");
  expect(await records("sets/facts/evaluation-base.jsonl")).toHaveLength(1);
}, 60_000);

it("finds what a set lacks before anything begins", async () => {
  const sets = {
    facts: { ...config.evaluate.sets.facts, questions: { dataset: "jsonl", file: "none.jsonl" } },
  };
  await write({ ...config, evaluate: { sets } });
  const missing = await evaluate("--dry-run");
  expect([missing.code, missing.err]).toEqual([1, expect.stringContaining("none.jsonl")]);
  await write({ ...config, evaluate: { sets: { "../up": config.evaluate.sets.again } } });
  const named = await evaluate("--dry-run");
  expect([named.code, named.err]).toEqual([1, expect.stringContaining("is not a name of a set")]);
  await write({ ...config, evaluate: { sets: { again: { ...config.evaluate.sets.again, tasks: {} } } } });
  const unknown = await evaluate("--dry-run");
  expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining("config evaluate.sets.again")]);
}, 60_000);
