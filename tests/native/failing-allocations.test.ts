/**
 * A failed allocation is a MEMORY error of one call, never the end of the process: every allocation of the addon in turn
 * fails (programs/failing_allocator.cc), and calls are made with less address space left than they need.
 *
 * `npm test` lets every 61st allocation fail; SWIRL_STRESS every one of the first 5,000.
 */
import { execFile, execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const step = process.env.SWIRL_STRESS ? 1 : 61;
const programs = fileURLToPath(new URL("./programs/", import.meta.url));
const { path } = loadAddonFrom();

/** Runs a program on this addon; rejects, with what it wrote, unless it ends with 0. */
async function run(program: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const ran = await promisify(execFile)(process.execPath, [join(programs, program), ...args], {
    env: { ...process.env, SWIRL_ADDON: path, GOMP_SPINCOUNT: "1000", ...env },
  });
  return ran.stdout;
}

describe.skipIf(process.platform !== "linux")("a failed allocation", () => {
  it.each([
    { threads: 1, first: 1 },
    { threads: 2, first: 7 },
  ])(
    "is the MEMORY error of one call, and the call made again succeeds: $threads threads",
    async (given) => {
      const folder = temporaryFolder();
      const preload = join(folder, "failing_allocator.so");
      const compiler = [...(process.env.CXX ?? "c++").split(" ")];
      const source = join(programs, "failing_allocator.cc");
      execFileSync(compiler[0]!, [
        ...compiler.slice(1),
        ..."-std=c++17 -O1 -shared -fPIC -o".split(" "),
        preload,
        source,
        "-ldl",
      ]);
      const control = join(folder, "control");
      await writeFile(control, Buffer.alloc(16));
      const said = await run(
        "failing-allocations.mjs",
        [control, String(given.first), "5000", String(step * given.threads), String(given.threads)],
        { LD_PRELOAD: preload, SWIRL_ALLOCATION_CONTROL: control },
      );
      const { allocations, failures, failedCalls } = JSON.parse(said);
      expect(allocations).toBeGreaterThan(4000);
      expect(failures).toBeGreaterThan(0.9 * (4000 / (step * given.threads)));
      expect(failedCalls).toBeGreaterThan(failures / 2); // an error that has no room for its text is one more
    },
    900_000,
  );

  it("ends no process whose address space is limited", async () => {
    const lines = (await run("address-limit.mjs", [])).trim().split("\n");
    expect(Object.fromEntries(lines.map((line) => line.split(": ")))).toEqual({
      writeTensor: "MEMORY",
      logprobs: "MEMORY",
      setTokenBytes: "MEMORY",
      "readTensor, name": "INPUT",
      createEngine: "MEMORY",
      readTensor: "MEMORY",
      "readTensor, result": "MEMORY",
      "readTensor, no limit": "no error",
      threads: "MEMORY",
      team: "MEMORY",
      "update of a team": "no error",
      afterwards: "no error",
    });
  });
});
