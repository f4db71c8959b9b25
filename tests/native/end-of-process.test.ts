/**
 * However a process or a worker ends in the middle of a native call, it ends: no signal, no hang, the right code.
 * SWIRL_STRESS sets how often the ends that can crash by chance are tried; 1000 before a release.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadAddonFrom } from "../../src/native/load-addon.js";

const program = fileURLToPath(new URL("./programs/mid-call.mjs", import.meta.url));
const stress = Number(process.env.SWIRL_STRESS ?? 10);
const { path } = loadAddonFrom();

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  errors: string;
}

function run(way: string, times = 1): Promise<Ended> {
  const child = spawn(process.execPath, ["--expose-gc", program, way, String(times)], {
    env: { ...process.env, SWIRL_ADDON: path },
    timeout: 30_000 + times * 2000,
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  child.stderr.on("data", (data) => {
    errors += data;
  });
  return new Promise((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal, output, errors })),
  );
}

describe("the process", () => {
  it("ends by itself when an engine is idle and not disposed", async () => {
    expect(await run("idle")).toEqual({ code: 0, signal: null, output: "", errors: "" });
  });

  it("waits for a call that runs", async () => {
    expect(await run("running")).toEqual({ code: 0, signal: null, output: "done\n", errors: "" });
  });

  it(
    `ends with its code at process.exit in mid-call, ${stress} times`,
    async () => {
      for (let i = 0; i < stress; i++)
        expect(await run("exit")).toEqual({ code: 7, signal: null, output: "", errors: "" });
    },
    60_000 + stress * 2000,
  );

  it("ends with code 1 at an uncaught exception in mid-call", async () => {
    const ended = await run("throw");
    expect(ended).toMatchObject({ code: 1, signal: null });
    expect(ended.errors).toContain("thrown in mid-call");
  });

  it("does not wait for a call whose engine was disposed", async () => {
    expect(await run("dispose-and-end")).toEqual({ code: 0, signal: null, output: "DISPOSED\n", errors: "" });
  });

  it("frees engines that nobody refers to any more", async () => {
    expect(await run("collected", 64)).toEqual({ code: 0, signal: null, output: "done\n", errors: "" });
  });
});

describe("workers", () => {
  it(
    `may be terminated in mid-call, ${stress} times`,
    async () => {
      const ended = await run("terminate-workers", stress);
      expect(ended).toEqual({ code: 0, signal: null, output: "done\n", errors: "" });
    },
    60_000 + stress * 2000,
  );

  it("may call process.exit in mid-call", async () => {
    const ended = await run("workers-exit", 3);
    expect(ended).toEqual({ code: 0, signal: null, output: "done\n", errors: "" });
  });

  it("may be in mid-call when the main thread exits", async () => {
    expect(await run("exit-under-workers")).toEqual({ code: 7, signal: null, output: "", errors: "" });
  });
});
