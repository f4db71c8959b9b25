/**
 * Disk faults, injected at every write and fsync: a save is complete, or the old folder stays and the error says so.
 */
import { open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it, vi } from "vitest";
import { temporaryFolder } from "../../../tests/support/temporary-folder.js";
import { SwirlError } from "../../errors/swirl-error.js";
import { type FolderToWrite, writeCheckpointFolder } from "./write-checkpoint.js";

let scratch = "";
let fileHandle: Awaited<ReturnType<typeof open>>; // every handle's prototype
beforeAll(async () => {
  scratch = temporaryFolder();
  const handle = await open(scratch, "r");
  fileHandle = Object.getPrototypeOf(handle);
  await handle.close();
});

function content(fill: number, sharded: boolean): FolderToWrite {
  const tensor = (name: string) => ({
    name,
    dtype: "F32" as const,
    shape: [50],
    parts: async function* () {
      for (let part = 0; part < 2; part++) yield new Uint8Array(100).fill(fill);
    },
  });
  const shard = (n: number) => ({
    name: `model-0000${n}-of-00002.safetensors`,
    tensors: [tensor(`a${n}`), tensor(`b${n}`)],
    metadata: {},
  });
  return {
    files: sharded
      ? [shard(1), shard(2)]
      : [{ name: "model.safetensors", tensors: [tensor("a")], metadata: {} }],
    sharded,
    otherFiles: { "config.json": { text: `{"fill": ${fill}}` } },
  };
}

async function snapshot(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of (await readdir(folder)).sort())
    files[name] = await readFile(join(folder, name), "latin1");
  return files;
}

it.each([false, true])("a full disk at any write or fsync (sharded: %s)", async (sharded) => {
  const target = join(scratch, `full-${sharded}`);
  const commit = sharded ? "model.safetensors.index.json" : "model.safetensors";
  const weightsOf = (files: Record<string, string>) =>
    Object.fromEntries(Object.entries(files).filter(([name]) => name.includes("safetensors")));
  await writeCheckpointFolder(target, content(2, sharded));
  const after = weightsOf(await snapshot(target));
  await rm(target, { recursive: true });
  await writeCheckpointFolder(target, content(1, sharded));
  const whole = await snapshot(target);
  const before = weightsOf(whole);
  const outcomes = { old: 0, unloadable: 0, new: 0 };
  let calls = 0;
  let failAt = 0;
  const spies = (["write", "sync"] as const).map((method) => {
    const real = fileHandle[method] as (...args: unknown[]) => Promise<unknown>;
    return vi.spyOn(fileHandle, method as "sync").mockImplementation(function (
      this: unknown,
      ...args: unknown[]
    ) {
      if (++calls === failAt) {
        return Promise.reject(
          Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" }),
        );
      }
      return real.apply(this, args) as Promise<void>;
    });
  });
  try {
    for (failAt = 1; ; failAt++) {
      calls = 0;
      const error = await writeCheckpointFolder(target, content(2, sharded)).then(
        () => undefined,
        (caught: unknown) => caught,
      );
      if (error === undefined) break; // there are fewer calls than that
      expect(SwirlError.isInstance(error) && [error.code, error.details.errno]).toEqual([
        "CHECKPOINT",
        "ENOSPC",
      ]);
      expect((error as SwirlError).remedy).toContain("free some space");
      expect(await readdir(scratch)).toEqual([`full-${sharded}`]); // no temporary folder is left
      const left = await snapshot(target);
      if (!(commit in left)) {
        expect(sharded).toBe(true); // half replaced, and without an index it cannot be loaded by mistake
        outcomes.unloadable++;
      } else {
        const isNew = Object.values(weightsOf(left)).some((bytes) => !Object.values(before).includes(bytes));
        expect(weightsOf(left)).toEqual(isNew ? after : before);
        outcomes[isNew ? "new" : "old"]++;
      }
      await rm(target, { recursive: true });
      failAt = -failAt; // restore the old folder undisturbed
      await writeCheckpointFolder(target, content(1, sharded));
      failAt = -failAt;
      expect(await snapshot(target)).toEqual(whole);
    }
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  expect(outcomes.old).toBeGreaterThan(4);
  expect(outcomes.new).toBe(1); // only the last fsync failed
  expect(outcomes.unloadable > 0).toBe(sharded);
  await rm(target, { recursive: true });
});

it("short writes lose nothing", async () => {
  const whole = join(scratch, "whole");
  const short = join(scratch, "short");
  await writeCheckpointFolder(whole, content(3, true));
  const real = fileHandle.write as (...args: unknown[]) => Promise<unknown>;
  const spy = vi.spyOn(fileHandle, "write").mockImplementation(function (
    this: unknown,
    bytes: unknown,
    offset: unknown,
    length: unknown,
  ) {
    return real.call(this, bytes, offset, Math.min(7, length as number)) as never;
  } as never);
  try {
    await writeCheckpointFolder(short, content(3, true));
    expect(spy.mock.calls.length).toBeGreaterThan(100);
  } finally {
    spy.mockRestore();
  }
  expect(await snapshot(short)).toEqual(await snapshot(whole));
});

it("a tensor of the wrong length is not written", async () => {
  const target = join(scratch, "length");
  const wrong = content(4, false);
  wrong.files[0]!.tensors[0]!.parts = async function* () {
    yield new Uint8Array(199);
  };
  await expect(writeCheckpointFolder(target, wrong)).rejects.toThrowError(
    /a gave 199 bytes where 200 were expected/,
  );
  await expect(readdir(target)).rejects.toThrowError(/ENOENT/);
});
