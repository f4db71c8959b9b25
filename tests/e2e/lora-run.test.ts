import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { questions, runSwirl, tinyRunConfig, writeTinyRun } from "../support/tiny-run.js";
import { writeTinyModel } from "../support/tiny-world.js";

const config = {
  ...tinyRunConfig,
  seed: 3,
  sft: { demonstrations: questions, batchSize: 2, steps: 4, lr: 1e-2 },
  train: { steps: 2, batchSize: 2, samplesPerState: 2, baseline: "running", lr: 1e-3 },
  evaluate: { at: ["start", "trained"] },
};

let compiled: Compiled;
let folder: string;
beforeAll(async () => {
  compiled = await compile();
  folder = temporaryFolder();
  await writeTinyRun(folder, config);
  await writeFile(join(folder, "in.jsonl"), '{"tokens":[1,2,3,4],"actionStart":2}\n');
}, 60_000);

const swirl = (...args: string[]) => runSwirl(compiled, folder, args);
const logprobs = (...args: string[]) =>
  swirl("logprobs", "--device", "cpu", "--threads", "1", "--in", "in.jsonl", ...args);

it("trains adapters through the whole loop, and loads them wherever weights are taken", async () => {
  const run = [
    "run",
    "-c",
    "config.json",
    "--output",
    "run",
    "--lora",
    "rank=4,alpha=8,target=q_proj+up_proj",
  ];
  const first = await swirl(...run);
  expect(first.code, first.err).toBe(0);
  for (const place of ["sft-checkpoints/latest", "checkpoints/latest", "policy"]) {
    const names = await readdir(join(folder, "run", place));
    expect(names).toContain("adapter_model.safetensors");
    expect(names).not.toContain("model.safetensors");
  }
  const saved = JSON.parse(await readFile(join(folder, "run/policy/adapter_config.json"), "utf8"));
  expect(saved).toMatchObject({ r: 4, lora_alpha: 8, base_model_name_or_path: join(folder, "model") });
  expect(saved.target_modules.every((name: string) => /(q|up)_proj$/.test(name))).toBe(true);
  // RL began with the adapter of SFT, and its KL term is measured against that one.
  const metrics = (await readFile(join(folder, "run/metrics.jsonl"), "utf8")).trim().split("\n");
  expect(Math.abs(JSON.parse(metrics[0]!).kl)).toBeLessThan(1e-9);
  const whole = (await stat(join(folder, "model/model.safetensors"))).size;
  expect((await stat(join(folder, "run/policy/adapter_model.safetensors"))).size).toBeLessThan(whole / 4);

  const other = await swirl(...run.slice(0, -1), "rank=2");
  expect(other.code).toBe(1);
  expect(other.err).toContain("lora");

  const scored = await logprobs("--model", "run/policy");
  expect(scored.code, scored.err).toBe(0);
  expect(scored.out).not.toBe((await logprobs("--model", "model")).out);
  await rename(join(folder, "model"), join(folder, "moved"));
  const lost = await logprobs("--model", "run/policy");
  expect(lost.code).toBe(1);
  expect(lost.err).toContain("--base");
  expect((await logprobs("--model", "run/policy", "--base", "moved")).out).toBe(scored.out);
  // In the run's own folder the config's model is the base.
  const solved = await swirl("solve", "1+1?", "-c", "config.json", "--output", "run", "--model", "moved");
  expect(solved.code, solved.err).toBe(0);
  await rename(join(folder, "moved"), join(folder, "model"));
}, 120_000);

it("a judge on the base of the trained adapter judges from the same weights, in RL and in every evaluation", async () => {
  await writeTinyModel(join(folder, "long"), { context: 16_384 }); // of this model, a character is a token
  const judge = JSON.stringify({ model: "long", mode: "logprobs" });
  const more = ["--set", `judge=${judge}`, "--set", "train.steps=1", "--set", 'evaluate.at=["trained"]'];
  const { code, err } = await swirl(
    "run",
    "-c",
    "config.json",
    "--output",
    "judged",
    "--lora",
    "rank=2",
    "--model",
    "long",
    ...more,
  );
  expect(code, err).toBe(0);
  const records = (await readFile(join(folder, "judged/evaluation-trained.jsonl"), "utf8"))
    .trim()
    .split("\n");
  const verdicts = records.flatMap((line) => JSON.parse(line).verdicts ?? []);
  expect(verdicts.length).toBeGreaterThan(0);
  expect(verdicts.every(({ status }) => status === "ok")).toBe(true);
}, 60_000);

it.each([
  ["target=q_prj", "q_proj"],
  ["taget=q_proj", "taget"],
])("--lora %s is refused before anything is written", async (settings, says) => {
  const { code, err } = await swirl("run", "-c", "config.json", "--output", "never", "--lora", settings);
  expect(code).toBe(1);
  expect(err).toContain(says);
  expect(await readdir(folder)).not.toContain("never");
});

it("--lora with no key=value is a matter of usage", async () => {
  const { code, err } = await swirl("run", "-c", "config.json", "--output", "never", "--lora", "8");
  expect(code).toBe(2);
  expect(err).toContain("key=value");
});
