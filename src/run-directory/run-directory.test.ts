import * as fs from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { REDACTED, redact } from "../secrets/redact.js";
import { hashInput } from "./manifest.js";
import { RunDirectory } from "./run-directory.js";

let dir: string;
beforeEach(() => {
  dir = temporaryFolder();
});

const config = { seed: 3, train: { lr: 1e-5, G: 4 }, judge: { endpoint: { baseURL: "http://h/v1" } } };

async function open(more: object = {}) {
  await fs.writeFile(join(dir, "data.jsonl"), "{}\n");
  const inputs = { train: join(dir, "data.jsonl") };
  return RunDirectory.open(join(dir, "run"), {
    config,
    inputs,
    seeds: { rollout: 3 },
    device: "cpu",
    ...more,
  });
}

test("a new run has its config and a manifest with versions, device, seeds and hashes", async () => {
  const run = await open({ addon: "0.1.0" });
  expect(run.resumed).toBe(false);
  expect(JSON.parse(await fs.readFile(run.paths.config, "utf8"))).toEqual(config);
  const manifest = JSON.parse(await fs.readFile(run.paths.manifest, "utf8"));
  expect(manifest).toMatchObject({
    version: 1,
    seeds: { rollout: 3 },
    inputs: {
      train: {
        bytes: 3,
        // sha256sum of "{}\n"
        sha256: "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
      },
    },
    sessions: [{ node: process.version, addon: "0.1.0", device: "cpu" }],
  });
  expect(manifest.sessions[0].package).toMatch(/^\d+\.\d+\.\d+/);
});

test("it is resumed with the same config, and each session is kept", async () => {
  await (await open()).close();
  await using again = await open({ device: "cuda:0" });
  expect(again.resumed).toBe(true);
  expect(again.manifest.sessions.map((session) => session.device)).toEqual(["cpu", "cuda:0"]);
});

test("it is open once at a time, and free again after a refusal", async () => {
  {
    await using run = await open();
    await expect(open()).rejects.toMatchObject({
      code: "CONFIG",
      message: expect.stringContaining(`${run.dir} is in use by this process`),
      details: { file: run.dir },
    });
  }
  await expect(open({ config: {} })).rejects.toThrow(/other values/);
  await (await open()).close();
});

test("another config, changed inputs and a folder of something else are refused, by name", async () => {
  await (await open()).close();
  const other = { ...config, train: { ...config.train, lr: 1 } };
  await expect(open({ config: other })).rejects.toMatchObject({
    code: "CONFIG",
    message: /other values for train\.lr/,
    details: { field: "train.lr" },
  });
  await fs.writeFile(join(dir, "other.jsonl"), "{} \n");
  await expect(open({ inputs: { train: join(dir, "other.jsonl") } })).rejects.toThrow(
    /the inputs train changed/,
  );
  await expect(open({ inputs: { train: join(dir, "absent") } })).rejects.toMatchObject({ code: "INPUT" });
  await expect(RunDirectory.open(dir, { config })).rejects.toThrow(/not a run directory and not empty/);
});

test("a crash before the manifest was there does not block the folder", async () => {
  const run = await open();
  await fs.rm(run.paths.manifest);
  await fs.rm(run.paths.checkpoints, { recursive: true });
  await run.close();
  await using again = await open();
  expect(again.resumed).toBe(false);
});

test("a folder's hash covers names and contents of all its files", async () => {
  const folder = join(dir, "model");
  await fs.mkdir(join(folder, "sub"), { recursive: true });
  await fs.writeFile(join(folder, "a"), "1");
  await fs.writeFile(join(folder, "sub", "b"), "2");
  const first = (await hashInput(folder)).sha256;
  await fs.writeFile(join(folder, ".hidden"), "x");
  expect((await hashInput(folder)).sha256).toBe(first);
  await fs.rename(join(folder, "sub", "b"), join(folder, "sub", "c"));
  const renamed = (await hashInput(folder)).sha256;
  expect(renamed).not.toBe(first);
  await fs.writeFile(join(folder, "sub", "c"), "3");
  expect((await hashInput(folder)).sha256).not.toBe(renamed);
});

test("a planted key appears in no file of a run directory", async () => {
  const planted = "sk-planted-0123456789abcdef";
  const secret = "correct horse battery";
  process.env.PLANTED_API_KEY = secret;
  try {
    const run = await open({
      config: {
        ...config,
        apiKey: planted,
        judge: {
          baseURL: `https://user:${planted}@h/v1?api_key=${planted}`,
          headers: { "x-custom": planted },
          extraBody: { note: `uses ${secret}`, list: [`Bearer ${planted}`] },
        },
      },
    });
    for (const name of await fs.readdir(run.dir, { recursive: true })) {
      const path = join(run.dir, name);
      if (!(await fs.stat(path)).isFile()) continue;
      const text = await fs.readFile(path, "utf8");
      expect(text).not.toContain(planted);
      expect(text).not.toContain(secret);
    }
  } finally {
    delete process.env.PLANTED_API_KEY;
  }
});

test("redaction leaves everything else as it is", () => {
  const innocent = {
    maxNewTokens: 512,
    answerTag: "answer",
    apiKeyVariable: "MY_KEY",
    tokens: [1, 2],
    url: "http://127.0.0.1:8000/v1?model=x",
    text: "the key to it",
    none: null,
  };
  expect(redact(innocent, { SHORT_KEY: "the" })).toEqual(innocent);
  expect(redact({ api_key: "x", password: "y", authToken: "z" }, {})).toEqual({
    api_key: REDACTED,
    password: REDACTED,
    authToken: REDACTED,
  });
});
