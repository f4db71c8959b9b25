import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { questions, runSwirl, tinyRunConfig, writeTinyRun } from "../support/tiny-run.js";

let compiled: Compiled;
let folder: string;

const part = (skip: number, limit: number) => ({ ...questions, skip, limit });
const config = {
  ...tinyRunConfig,
  questions: { train: part(0, 2), test: part(2, 2) },
  train: { steps: 1, batchSize: 4, samplesPerState: 2, klWeight: 0 },
};

beforeAll(async () => {
  compiled = await compile();
  folder = temporaryFolder();
  const rows = [0, 1, 2, 3].map((i) => ({ question: `Ann has ${i} hats?`, answer: `#### ${i}` }));
  await writeTinyRun(folder, config, rows);
  await writeFile(join(folder, "nothing.jsonl"), "");
  await writeFile(join(folder, "no-gold.jsonl"), '{"question":"How many?"}\n');
}, 60_000);

const swirl = (...args: string[]) => runSwirl(compiled, folder, args);
const set = (path: string, value: unknown) => ["--set", `${path}=${JSON.stringify(value)}`];
const run = (output: string, ...more: string[]) =>
  swirl("run", "-c", "config.json", "--output", output, ...more);

describe("before the first stage begins", () => {
  it("finds what is wrong with any of them, in a dry run as well", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const baseURL = `http://127.0.0.1:${(closed.address() as AddressInfo).port}/v1`;
    await new Promise((resolve) => closed.close(resolve));
    const down = { endpoint: { baseURL, model: "m", maxRetries: 0 } };
    const cases: [args: string[], message: RegExp][] = [
      [set("train.loss", "ppo-clip"), /"ppo-clip" on fresh actions with updatesPerBatch 1/],
      [
        [...set("train.reference", "none"), ...set("train.klWeight", 0.1)],
        /config train\.reference: .*none is not a folder/,
      ],
      [
        set("judge", { model: "org/judge" }),
        /config judge\.model: .*org\/judge is not a folder[\s\S]*swirl pull org\/judge/,
      ],
      [set("judge", down), /ECONNREFUSED|no connection/],
      [set("rewardJudge", down), /ECONNREFUSED|no connection/],
      [set("questions.test.file", "none.jsonl"), /none\.jsonl: cannot be read/],
      [
        set("questions.test", { dataset: "jsonl", file: "no-gold.jsonl" }),
        /evaluation: none of 1 questions has a gold answer/,
      ],
      [set("questions.test.skip", 9), /holds no questions after skipping 9/],
      [
        set("sft", { demonstrations: { dataset: "musique", file: "rows.jsonl" } }),
        /musique has no annotated solutions/,
      ],
      [set("sft", { trajectories: "none.jsonl" }), /none\.jsonl: cannot be read/],
      [set("sft", { trajectories: "nothing.jsonl" }), /nothing\.jsonl holds no trajectory/],
      [set("sft", { trajectories: "t", epochs: 1, steps: 1 }), /sft: epochs and steps are both given/],
      [set("filter.equalN", 5), /cannot keep 5 of 4 trajectories/],
      [set("rollout.format", "chat-template"), /chat template/],
      [set("rollout.maxNewTokens", 9999), /leaves no room in a context of 2048/],
      [set("synthesize.temperature", 0), /would all be the same/],
      [set("task", { kind: "search", corpus: "nothing.jsonl" }), /nothing\.jsonl holds no passage/],
      [set("memoryBudget", 300_000), /sft|train needs .* for its models alone .*memoryBudget is/],
      [set("model", "rows.jsonl"), /rows\.jsonl is a file, not a folder/],
      [set("device", "cuda:7"), /device "cuda:7"/],
    ];
    for (const [i, [args, message]] of cases.entries()) {
      const dry = i % 2 === 0 ? ["--dry-run"] : []; // both make the same checks, and each takes its time
      const ended = await run("early", ...args, ...dry);
      expect(ended, `${args} ${dry}: ${ended.err}`).toMatchObject({ code: 1, out: "" });
      expect(ended.err, args.join(" ")).toMatch(message);
      expect(existsSync(join(folder, "early")), args.join(" ")).toBe(false);
    }
  }, 240_000);
});

describe("a run's config", () => {
  it("may change where no stage that uses it has begun; a command of another config overwrites nothing", async () => {
    await writeFile(join(folder, "rows.torn"), "");
    expect(await swirl("sft", "-c", "config.json", "--output", "a")).toMatchObject({ code: 1 }); // no sft section
    // The first run stops at its filter: a judge of rules finds that an untrained model writes nothing well.
    const process_ = set("filter.kind", "process");
    const nothing = await run("kept", ...process_);
    expect(nothing, nothing.err).toMatchObject({ code: 3 });
    expect(nothing.out).toMatch(/process \* +0/);
    expect(nothing.out).toMatch(/the process filter kept none of 4 trajectories/);
    expect(nothing.out).toMatch(/malformed action judged BAD: .*sft\.demonstrations\.limit/);
    expect(nothing.out).toMatch(/filter\.kind "none" would keep 4/);
    expect(existsSync(join(folder, "kept/report.md"))).toBe(true);
    expect(existsSync(join(folder, "kept/metrics.jsonl"))).toBe(false);

    const rolled = await readFile(join(folder, "kept/trajectories.jsonl"), "utf8");
    const refused = await run("kept", ...set("synthesize.samples", 3));
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining("other values for synthesize.samples"),
    });
    const whole = await run(
      "kept",
      ...set("train.lr", 1e-5),
      ...set("threads", 2),
      ...set("filter.kind", "none"),
    );
    expect(whole, whole.err).toMatchObject({ code: 0 });
    expect(whole.err).toMatch(/synthesize: done before/);
    expect(await readFile(join(folder, "kept/trajectories.jsonl"), "utf8")).toBe(rolled);
    const resolved = JSON.parse(await readFile(join(folder, "kept/config.resolved.json"), "utf8"));
    expect(resolved).toMatchObject({ train: { lr: 1e-5 }, filter: { kind: "none" } });

    const kept = await readFile(join(folder, "kept/kept.jsonl"), "utf8");
    expect(kept).not.toBe("");
    for (const args of [
      ["filter", ...process_],
      ["filter", "--kind", "outcome"],
      ["train", ...set("train.lr", 1)],
      ["synthesize", "--samples", "7"],
      ["eval", ...set("evaluate.temperature", 1)],
    ]) {
      const other = await swirl(args[0]!, "-c", "config.json", "--output", "kept", ...args.slice(1));
      expect(other, args.join(" ")).toMatchObject({
        code: 1,
        err: expect.stringMatching(
          /config\.resolved\.json has other values for .*\n {2}→ .*another --output/,
        ),
      });
    }
    expect(await readFile(join(folder, "kept/kept.jsonl"), "utf8")).toBe(kept);
    const same = await swirl("filter", "-c", "config.json", "--output", "kept", "--set", "threads=1");
    expect(same, same.err).toMatchObject({ code: 0 });
    expect(await readFile(join(folder, "kept/kept.jsonl"), "utf8")).toBe(kept);
  }, 120_000);

  it("and its stages.json are refused when they are damaged, with what to do", async () => {
    expect((await run("whole")).code).toBe(0);
    const file = join(folder, "whole/stages.json");
    for (const text of ["{", "[]", '{"train":1}']) {
      await writeFile(file, text);
      expect(await run("whole")).toMatchObject({
        code: 1,
        err: expect.stringMatching(/stages\.json: .*\n {2}→ delete it/),
      });
    }
    await rm(file);
    expect(await run("whole")).toMatchObject({ code: 0 });
  }, 120_000);
});
