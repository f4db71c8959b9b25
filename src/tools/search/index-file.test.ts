import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../tests/support/temporary-folder.js";
import { Bm25Index } from "./bm25-index.js";
import { loadIndex, saveIndex } from "./index-file.js";

const passages = Array.from({ length: 40 }, (_, i) => ({
  title: `Title ${i} é`,
  text: `word${i % 7} common ${"filler ".repeat(i % 5)}line\nbreak "${i}"`,
}));

let dir: string;
beforeEach(async () => {
  dir = temporaryFolder();
  await saveIndex(await Bm25Index.build(passages, { k1: 1.2 }), dir);
});

const manifest = async () => JSON.parse(await readFile(join(dir, "index.json"), "utf8"));
const write = (value: unknown) =>
  writeFile(join(dir, "index.json"), typeof value === "string" ? value : JSON.stringify(value));

/** Replaces a listed file by other content, with a checksum that fits it. */
async function replace(kind: "passages" | "postings", change: (data: Buffer) => Buffer): Promise<void> {
  const value = await manifest();
  const path = join(dir, value[kind].file);
  const data = change(await readFile(path));
  await writeFile(path, data);
  value[kind] = {
    ...value[kind],
    bytes: data.length,
    sha256: createHash("sha256").update(data).digest("hex"),
  };
  await write(value);
}

describe("an index on disk", () => {
  it("gives the same results when it is loaded", async () => {
    const built = await Bm25Index.build(passages, { k1: 1.2 });
    const loaded = await loadIndex(dir);
    expect(loaded.passages).toEqual(passages);
    for (const query of ["word3", "common filler", "title 17", "é", "zebra"]) {
      expect(loaded.search(query, 10)).toEqual(built.search(query, 10));
    }
    expect(loaded.k1).toBe(1.2);
  });

  it("is built again from its passages when version 1 wrote its terms", async () => {
    await saveIndex(await Bm25Index.build([{ title: "Łódź", text: "维也纳" }], { k1: 1.2 }), dir);
    await replace("postings", () => Buffer.alloc(0));
    await write({ ...(await manifest()), version: 1 });
    const loaded = await loadIndex(dir);
    expect(["lodz", "维也纳"].map((query) => loaded.search(query, 1).length)).toEqual([1, 1]);
    expect(loaded.k1).toBe(1.2);
  });

  it("replaces the index before it and leaves nothing of it", async () => {
    await saveIndex(await Bm25Index.build([{ title: "New", text: "words" }]), dir);
    expect((await loadIndex(dir)).passages.length).toBe(1);
    expect((await readdir(dir)).length).toBe(3);
  });

  it("keeps an empty index", async () => {
    await saveIndex(await Bm25Index.build([]), join(dir, "empty"));
    expect((await loadIndex(join(dir, "empty"))).search("a", 1)).toEqual([]);
  });

  it("is whole when a save fails on its way", async () => {
    const before = await manifest();
    await rm(join(dir, "index.json"));
    await mkdir(join(dir, "index.json")); // the rename onto a folder fails
    await expect(saveIndex(await Bm25Index.build([]), dir)).rejects.toThrow();
    await rm(join(dir, "index.json"), { recursive: true });
    await write(before);
    expect((await loadIndex(dir)).passages).toEqual(passages);
    expect((await readdir(dir)).filter((name) => name.includes("tmp"))).toEqual([]);
  });
});

describe("a hostile index", () => {
  it.each([
    "../passages-0123456789abcdef.jsonl",
    "/etc/passwd",
    "a/b.jsonl",
    "..",
    "passages.jsonl",
    "C:\\x",
    "",
  ])("may not name %j", async (file) => {
    const value = await manifest();
    await write({ ...value, passages: { ...value.passages, file } });
    await expect(loadIndex(dir)).rejects.toMatchObject({
      code: "RECORD",
      details: { field: "passages.file" },
    });
  });

  it("may not lead out of its folder by a link", async () => {
    const value = await manifest();
    const outside = join(dir, "..", `${value.passages.sha256}-outside`);
    await writeFile(outside, await readFile(join(dir, value.passages.file)));
    await rm(join(dir, value.passages.file));
    await symlink(outside, join(dir, value.passages.file));
    await expect(loadIndex(dir)).rejects.toThrow(/is not a regular file/);
    await rm(outside);
  });

  it.each([
    ["no JSON", "{", /is not JSON/],
    ["null", "null", /index.json/],
    ["another version", { version: 3 }, /an index of version 3, this package reads 2/],
    ["another format", { format: "faiss", version: 1 }, /format/],
    ["an unknown field", { extra: 1 }, /extra|Unrecognized/],
    ["a huge count", { counts: { passages: 1e12, terms: 1, postings: 1 } }, /counts.passages/],
    [
      "more postings than there are",
      { counts: { passages: 40, terms: 20, postings: 1e6 } },
      /its counts need/,
    ],
    [
      "fewer passages than there are",
      { counts: { passages: 39, terms: 20, postings: 40 } },
      /counts.passages is 39/,
    ],
    ["a bad parameter", { b: 7 }, /b = 7/],
  ])("%s", async (_, change, message) => {
    await write(typeof change === "string" ? change : { ...(await manifest()), ...change });
    await expect(loadIndex(dir)).rejects.toThrow(message);
  });

  it("is told from a whole one by its checksum and size", async () => {
    const { postings, passages: listed } = await manifest();
    const data = await readFile(join(dir, postings.file));
    data[10]! ^= 1;
    await writeFile(join(dir, postings.file), data);
    await expect(loadIndex(dir)).rejects.toThrow(/checksum/);
    await writeFile(join(dir, postings.file), data.subarray(0, 20));
    await expect(loadIndex(dir)).rejects.toThrow(/has 20 bytes/);
    await rm(join(dir, listed.file));
    await expect(loadIndex(dir)).rejects.toThrow(/cannot be read/);
    await rm(join(dir, "index.json"));
    await expect(loadIndex(dir)).rejects.toMatchObject({ code: "RECORD" });
  });

  it.each([
    [
      "passages that are no pairs",
      "passages" as const,
      () => Buffer.from('{"a":1}\n'.repeat(40)),
      /passages line 1/,
    ],
    ["a cut last line", "passages" as const, (data: Buffer) => data.subarray(0, -1), /counts.passages/],
    ["a passage out of range", "postings" as const, poke(1, 999), /names passage 999 of 40|out of order/],
    ["falling offsets", "postings" as const, poke(0, 0, 1), /offsets/],
    ["a count of zero", "postings" as const, poke(2, 0), /a count of 0/],
    [
      "too few terms",
      "postings" as const,
      (data: Buffer) => data.subarray(0, data.lastIndexOf(10, data.length - 2) + 1),
      /terms, not/,
    ],
  ])("%s, with a checksum that fits", async (_, kind, change, message) => {
    const { counts } = await manifest();
    await replace(kind, (data) => change(data, counts));
    await expect(loadIndex(dir)).rejects.toMatchObject({
      code: "RECORD",
      message: expect.stringMatching(message),
    });
  });

  it("never crashes the loader: 3,000 random damages are refused or harmless", async () => {
    let state = 7;
    const next = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const good = await manifest();
    const data = await readFile(join(dir, good.postings.file));
    for (let trial = 0; trial < 3_000 / 10; trial++) {
      const bad = Buffer.from(data);
      for (let n = 0; n < 1 + next(4); n++) bad[next(bad.length)] = next(256);
      const cut = next(3) === 0 ? bad.subarray(0, next(bad.length)) : bad;
      await writeFile(join(dir, good.postings.file), cut);
      const sha256 = createHash("sha256").update(cut).digest("hex");
      await write({ ...good, postings: { ...good.postings, bytes: cut.length, sha256 } });
      try {
        const index = await loadIndex(dir);
        for (const { score } of index.search("common word3 title", 5))
          expect(Number.isFinite(score)).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ name: "SwirlError", code: "RECORD" });
      }
    }
  });
});

/** Overwrites one number of an array of the postings file: 0 offsets, 1 passages, 2 counts. */
function poke(array: 0 | 1 | 2, value: number, at = 0) {
  return (data: Buffer, counts: { terms: number; postings: number }): Buffer => {
    const start = [0, counts.terms + 1, counts.terms + 1 + counts.postings][array]!;
    const changed = Buffer.from(data);
    changed.writeUInt32LE(value, 4 * (start + at));
    return changed;
  };
}
