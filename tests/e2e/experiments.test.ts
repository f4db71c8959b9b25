/**
 * The study's runner, on the smoke sizes: a run that is killed with SIGKILL again and again, with its workers, reaches
 * the numbers of an undisturbed run; the report has its parts; one run at a time uses a folder.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";

let compiled: Compiled;
let folder: string;

beforeAll(async () => {
  compiled = await compile();
  folder = temporaryFolder();
}, 60_000);

interface Outcome {
  code: number | null;
  signal: string | null;
  output: string;
  finished: number; // jobs
}

/** Kills it once it has finished so many jobs. */
function run(name: string, options: { killAfter?: number; flags?: string[] } = {}): Promise<Outcome> {
  const { killAfter = Number.POSITIVE_INFINITY, flags = [] } = options;
  const child = start(name, flags);
  return new Promise((resolve) => {
    let output = "";
    let finished = 0;
    const read = (chunk: Buffer) => {
      output += chunk;
      finished = output.match(/^\[ *\d+\/\d+\] seed/gm)?.length ?? 0;
      if (finished >= killAfter) child.kill("SIGKILL");
    };
    child.stdout!.on("data", read);
    child.stderr!.on("data", read);
    child.on("close", (code, signal) => resolve({ code, signal, output, finished }));
  });
}

function start(name: string, flags: readonly string[] = []): ChildProcess {
  const args = ["miniature", "--smoke", "--workers", "2", "--output", join(folder, name), ...flags];
  return spawn(process.execPath, [compiled.file("experiments/main.ts"), ...args], {
    env: { ...process.env, SWIRL_ADDON: loadAddonFrom().path },
  });
}

const report = (name: string, ...path: string[]) => join(folder, name, "miniature-smoke", "report", ...path);

/** Every number but the times. */
async function numbers(name: string): Promise<unknown> {
  const text = await readFile(report(name, "learning.json"), "utf8");
  return JSON.parse(text, (key, value) => (/seconds$/i.test(key) ? 0 : value));
}

describe("npm run experiments -- miniature --smoke", () => {
  it("writes the page, its figures and the numbers behind them", async () => {
    const { code, output, finished } = await run("whole");
    expect(code, output).toBe(0);
    const page = await readFile(report("whole", "learning.md"), "utf8");
    const cells = ((await numbers("whole")) as { cells: { id: string }[] }).cells;
    expect(cells).toHaveLength(finished);
    for (const title of [
      "The paper's claims",
      "Filters",
      "Transfer",
      "Size of the data",
      "Controls",
      "Every seed",
    ])
      expect(page).toMatch(new RegExp(`^## .*${title}`, "m"));
    expect(page).not.toMatch(/NaN|undefined|<!--/);
    expect(page).toContain("One seed only");
    expect(page).not.toContain("| reproduced |"); // one seed shows nothing
    const figures = [...page.matchAll(/\(learning\/([\w-]+\.svg)\)/g)].map(([, file]) => file!);
    expect((await readdir(report("whole", "learning"))).sort()).toEqual([...figures].sort());
    for (const figure of figures) {
      const svg = await readFile(report("whole", "learning", figure), "utf8");
      expect(svg).toMatch(/^<svg xmlns=[\s\S]*prefers-color-scheme:dark[\s\S]*<\/svg>\n$/);
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    }
  }, 120_000);

  it("comes to the same numbers however often it is killed, and never does a finished job again", async () => {
    let finished = 0;
    for (const killAfter of [1, 7, 30]) {
      const { signal, output, finished: more } = await run("killed", { killAfter });
      expect(signal, output).toBe("SIGKILL");
      finished += more;
    }
    const { code, output, finished: rest } = await run("killed");
    expect(code, output).toBe(0);
    const whole = (await numbers("whole")) as { cells: unknown[] };
    expect(await numbers("killed")).toEqual(whole);
    // A job may end between the parent's death and its worker's: it is then found, not made.
    expect(finished + rest).toBeLessThanOrEqual(whole.cells.length);
    expect(finished + rest).toBeGreaterThan(whole.cells.length - 3 * 4);
  }, 180_000);

  it("finds a finished study finished, and makes the report alone", async () => {
    await rm(report("whole"), { recursive: true });
    const { code, finished } = await run("whole", { flags: ["--report-only"] });
    expect({ code, finished }).toEqual({ code: 0, finished: 0 });
    expect(await readFile(report("whole", "learning.md"), "utf8")).toContain("# Does it learn?");
  }, 60_000);

  it("stops when its time is up, says how to resume, and lets nobody else into its folder but to read", async () => {
    const first = start("budget", ["--time-budget", "6s"]);
    const text: string[] = [];
    first.stdout!.on("data", (chunk) => text.push(String(chunk)));
    const ended = new Promise((resolve) => first.on("close", resolve));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const second = await run("budget");
    expect(second.code).toBe(1);
    expect(second.output).toMatch(/in use by process \d+[\s\S]*another folder/);
    const reading = await run("budget", { flags: ["--report-only"] });
    expect(reading.output).toMatch(/jobs are left/);
    expect(reading.code).toBe(0);
    expect(await ended).toBe(0);
    expect(text.join("")).toMatch(/\d+ of \d+ jobs are left: run the same command again/);
  }, 60_000);

  it("refuses what it does not know, naming it", async () => {
    expect((await run("odd", { flags: ["--only", "swirl/magic"] })).output).toMatch(
      /--only swirl\/magic: no job/,
    );
    expect((await run("odd", { flags: ["--time-budget", "soon"] })).output).toMatch(/soon is no time/);
  }, 60_000);
});
