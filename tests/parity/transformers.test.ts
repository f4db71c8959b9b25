/**
 * A policy trained and saved here is loaded by transformers and gives the same log-probs there.
 * Needs SWIRL_PYTHON: a Python with scripts/golden/requirements.txt.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/policy/checkpoint/checkpoint.js";
import { saveCheckpoint } from "../../src/policy/checkpoint/save-checkpoint.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { flat, maxDistance } from "./distance.js";
import { engineOf, models, readGolden, reinforce } from "./golden.js";

const python = process.env.SWIRL_PYTHON;
const script = join(import.meta.dirname, "../../scripts/golden/logprobs.py");

describe.skipIf(!python)(
  `save, then load in transformers${python ? "" : " (SWIRL_PYTHON is not set)"}`,
  () => {
    it("every family and layout", { timeout: 120_000 }, async () => {
      const scratch = temporaryFolder();
      const ours: Record<string, number[]> = {};
      for (const name of models) {
        const golden = await readGolden(name);
        const engine = await engineOf(golden, "float32");
        await engine.update(golden.batch, reinforce, { ...golden.expected.optimizer, lr: 1e-2 });
        // float32, or else rounding to the stored type would be what is compared.
        await saveCheckpoint(await openCheckpoint(golden.folder), join(scratch, name), engine, {
          dtype: "float32",
        });
        ours[name] = flat(await engine.logprobs(golden.batch, { temperature: 1, tree: true }));
        engine.dispose();
      }
      const batch = join(import.meta.dirname, "../golden/batch.json");
      const theirs = JSON.parse(
        execFileSync(python!, [script, batch, ...models.map((name) => join(scratch, name))], {
          encoding: "utf8",
        }),
      );
      for (const name of models) {
        const golden = await readGolden(name);
        expect(maxDistance(ours[name]!, theirs[name]), name).toBeLessThan(2e-4);
        expect(maxDistance(ours[name]!, golden.logprobs), `${name} was trained`).toBeGreaterThan(1e-2);
      }
    });
  },
);
