/** Valid inputs to begin with: files of the corpus of version 0.1.0 and of the golden files. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const tests = join(import.meta.dirname, "../../..");

export function testFile(path: string): string {
  return readFileSync(join(tests, path), "utf8");
}

export function testLines(path: string): string[] {
  return testFile(path)
    .split("\n")
    .filter((line) => line !== "");
}

let folder: string | undefined;

/** A folder of the parser's own for readers that take a path. It is gone when the process ends. */
export function workFolder(name: string): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), "swirl-fuzz-"));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
}
