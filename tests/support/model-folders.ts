/** Model folders for tests: copies of the golden checkpoints to damage, and weights held as the engine holds them. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { SwirlError } from "../../src/errors/swirl-error.js";
import { type Checkpoint, loadWeights, openCheckpoint } from "../../src/policy/checkpoint/checkpoint.js";
import { temporaryFolder } from "./temporary-folder.js";

export const golden = join(import.meta.dirname, "../golden");

export async function folder(files: Record<string, string | Uint8Array>): Promise<string> {
  const path = temporaryFolder();
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
  return path;
}

/** A golden checkpoint's files, to be damaged. */
export async function copyOf(name: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const file of await readdir(join(golden, name))) {
    // What a reference computed with them lies in the same folder.
    if (!/^(expected|adapter)\./.test(file)) files[file] = await readFile(join(golden, name, file));
  }
  return files;
}

/** Changes fields of a config.json; undefined takes one out. */
export function edit(files: Record<string, Uint8Array>, changes: Record<string, unknown>): void {
  const json = JSON.parse(Buffer.from(files["config.json"]!).toString());
  files["config.json"] = Buffer.from(JSON.stringify({ ...json, ...changes }));
}

/** Holds weights in float32 and bfloat16 alike, as the engine does. */
export class Weights {
  readonly held = new Map<string, { dtype: string; data: Uint8Array }>();
  async writeTensor(name: string, _kind: unknown, dtype: string, data: Uint8Array, first = 0): Promise<void> {
    const before = first > 0 ? this.held.get(name)!.data : new Uint8Array();
    this.held.set(name, { dtype, data: new Uint8Array(Buffer.concat([before, data])) });
  }
  async readTensor(
    name: string,
    _kind: unknown,
    dtype: string,
    first = 0,
    count?: number,
  ): Promise<Uint8Array> {
    const whole = this.#whole(name, dtype);
    const bytes = dtype === "bfloat16" ? 2 : 4;
    return whole.subarray(bytes * first, count === undefined ? undefined : bytes * (first + count));
  }
  #whole(name: string, dtype: string): Uint8Array {
    const { dtype: stored, data } = this.held.get(name)!;
    if (stored === dtype) return data;
    if (dtype === "float32") {
      const wide = new Uint8Array(data.length * 2);
      for (let i = 0; i < data.length; i += 2) wide.set(data.subarray(i, i + 2), 2 * i + 2);
      return wide;
    }
    const narrow = new Uint8Array(data.length / 2); // exact: golden weights are bfloat16 numbers
    for (let i = 0; i < data.length; i += 4) narrow.set(data.subarray(i + 2, i + 4), i / 2);
    return narrow;
  }
}

export async function loaded(
  path: string,
): Promise<{ checkpoint: Checkpoint; weights: Weights; hash: string }> {
  const checkpoint = await openCheckpoint(path);
  const weights = new Weights();
  return { checkpoint, weights, hash: await loadWeights(checkpoint, weights) };
}

export async function rejection(promise: Promise<unknown>): Promise<SwirlError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(SwirlError.isInstance(error), String(error)).toBe(true);
  return error as SwirlError;
}
