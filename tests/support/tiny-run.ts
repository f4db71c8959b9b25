/** A folder in which `swirl run` finishes within seconds: a tiny model, GSM8K rows and a config. */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import type { Compiled } from "./compile.js";
import { writeTinyModel } from "./tiny-world.js";

/** Two GSM8K questions whose answers have one calculation each. */
export const gsm8kRows: object[] = [
  {
    question: "Ann has 3 hats and buys 4. How many hats has she?",
    answer: "She has 3+4=<<3+4=7>>7 hats.\n#### 7",
  },
  {
    question: "Bob has 10 cats and sells 6. How many are left?",
    answer: "He has 10-6=<<10-6=4>>4 left.\n#### 4",
  },
];

/** The rows that `writeTinyRun` writes, as a config names them. */
export const questions = { dataset: "gsm8k", file: "rows.jsonl" };

/** The part of the config that all of these runs share. Each test adds its stages. */
export const tinyRunConfig = {
  model: "model",
  device: "cpu",
  threads: 1,
  task: { kind: "calculator", callLimit: 2 },
  questions: { train: questions, test: questions },
  rollout: { maxNewTokens: 8 },
  synthesize: { samples: 2 },
  filter: { kind: "none" },
};

/** Writes model/, rows.jsonl and config.json. */
export async function writeTinyRun(folder: string, config: object, rows = gsm8kRows): Promise<void> {
  await writeTinyModel(join(folder, "model"), { context: 2048 });
  await writeFile(join(folder, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
}

/** Runs the command in a folder. */
export function runSwirl(
  compiled: Compiled,
  folder: string,
  args: readonly string[],
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [compiled.file("src/cli/main.ts"), ...args], {
      cwd: folder,
      env: { ...process.env, SWIRL_ADDON: loadAddonFrom().path },
    });
    const ended = { out: "", err: "" };
    child.stdout.on("data", (chunk) => {
      ended.out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      ended.err += chunk;
    });
    child.on("close", (code) => resolve({ ...ended, code }));
  });
}
