/**
 * Folders for tests. All that a test file makes here is gone when the file is done, after its own hooks: those of
 * `afterAll` run in reverse order, and this module's was there first.
 */
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

const made: string[] = [];
let running = false;
beforeAll(() => {
  running = true;
});
afterAll(async () => {
  for (const folder of made) await rm(folder, { recursive: true, force: true });
}, 60_000);

/** A new, empty folder, in the system's temporary folder or in `parent`. */
export function temporaryFolder(parent = tmpdir()): string {
  // Where every test of a file is skipped no hook runs, and nothing would remove it.
  if (!running) throw new Error("temporaryFolder: call it in a hook or a test, not where the file is loaded");
  const folder = mkdtempSync(join(parent, "swirl-test-"));
  made.push(folder);
  return folder;
}
