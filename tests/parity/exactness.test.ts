/**
 * Sampled and trained log-probs differ by exactly 0, whatever the batch, the cache, the tree, the cut and the number of
 * threads, and a step repeats to the bit: for every family (grouped queries, sliding windows, soft-caps, norms on q and
 * k, biases), both types and every instruction set this processor has.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { loadAddon } from "../../src/native/load-addon.js";
import type { Exactness } from "./exactness.js";
import { fullModels } from "./golden.js";

const root = join(import.meta.dirname, "../..");
const program = join(import.meta.dirname, "exactness-program.ts");
const cpu = loadAddon().devices()[0]!;
const sets = ["plain", ...cpu.isa.filter((name) => name !== "plain")];

// oneDNN chooses its order of summing by the whole product's shape and promises nothing.
it.skipIf(cpu.matrixLibrary.startsWith("oneDNN")).each(sets)("%s", { timeout: 300_000 }, async (isa) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(root, "scripts/run-ts.mjs"), program, ...fullModels],
    { cwd: root, env: { ...process.env, SWIRL_ISA: isa }, maxBuffer: 1 << 24 },
  );
  const found = JSON.parse(stdout) as Record<string, Exactness>;
  expect(Object.keys(found)).toHaveLength(fullModels.length * 4);
  for (const [name, { compared, differing }] of Object.entries(found)) {
    expect(differing, name).toEqual([]);
    expect(compared, name).toBeGreaterThan(5000);
  }
  for (const model of fullModels) {
    for (const dtype of ["float32", "bfloat16"]) {
      const [one, two] = [1, 2].map((threads) => found[`${model} ${dtype} ${threads}`]!.step);
      expect(one, `${model} ${dtype}: one thread and two`).toBe(two);
    }
  }
});
