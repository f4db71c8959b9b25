import * as fs from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { type FileOperations, nodeFileOperations, type OpenFile } from "./atomic-write.js";
import { readJsonLines, readRecords } from "./jsonl-reader.js";
import { JsonlWriter } from "./jsonl-writer.js";
import { resumeJsonl } from "./resume.js";

let dir: string;
beforeEach(() => {
  dir = temporaryFolder();
});

const schema = z.strictObject({
  version: z.literal(2),
  name: z.string(),
  nested: z.strictObject({ n: z.int() }).optional(),
});
const read = (file: string, options = {}) =>
  readRecords(file, schema, { ...options, what: "row", version: 2 });

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

test("lines that span read chunks, and multi-byte characters at their borders, survive", async () => {
  const file = join(dir, "a.jsonl");
  const names = [0, 1, 2, 3].map((i) => "é漢😀".repeat(60_000 + i));
  await fs.writeFile(file, names.map((name) => JSON.stringify({ version: 2, name })).join("\n"));
  expect((await collect(read(file))).map((row) => row.name)).toEqual(names);
});

test("errors name file, line and field", async () => {
  const file = join(dir, "a.jsonl");
  await fs.writeFile(file, '{"version":2,"name":"x"}\n\n{"version":2,"name":"y","nested":{"n":1.5}}\n');
  await expect(collect(read(file))).rejects.toMatchObject({
    code: "RECORD",
    details: { file, line: 3, field: "nested.n" },
  });
  await fs.writeFile(file, '{"version":2,"name":"x","nam":1}\n');
  await expect(collect(read(file))).rejects.toMatchObject({ details: { line: 1, field: "nam" } });
  await fs.writeFile(file, '{"version":2,"name":"x"}\n{"version":2,\n{"version":2,"name":"z"}\n');
  await expect(collect(read(file))).rejects.toMatchObject({ details: { line: 2 }, message: /not JSON/ });
});

test("a file of another version says which, and what to do", async () => {
  const file = join(dir, "a.jsonl");
  await fs.writeFile(file, '{"version":3,"name":"x"}\n');
  await expect(collect(read(file))).rejects.toThrow(
    /another version: version 3, this package reads 2[\s\S]*update/,
  );
  await fs.writeFile(file, '{"name":"x"}\n');
  await expect(collect(read(file))).rejects.toThrow(/no version/);
});

test("a missing file is a RECORD error with its path", async () => {
  const file = join(dir, "absent.jsonl");
  await expect(collect(readJsonLines(file))).rejects.toMatchObject({ code: "RECORD", details: { file } });
});

test("a torn last line is an error to a reader, and kept aside by a writer", async () => {
  const file = join(dir, "a.jsonl");
  await fs.writeFile(file, '{"version":2,"name":"x"}\n{"version":2,"na');
  await expect(collect(read(file))).rejects.toThrow(/cut off/);

  const torn: unknown[] = [];
  const writer = await JsonlWriter.open(file, { onTorn: (event) => torn.push(event) });
  await writer.append({ version: 2, name: "y" });
  await writer.close();
  expect(torn).toEqual([{ file, line: 2, text: '{"version":2,"na', keptAt: `${file}.torn` }]);
  expect(await fs.readFile(`${file}.torn`, "utf8")).toBe('{"version":2,"na\n');
  expect((await collect(read(file))).map((row) => row.name)).toEqual(["x", "y"]);
});

test("a whole last line that only lacks its newline is kept", async () => {
  const file = join(dir, "a.jsonl");
  await fs.writeFile(file, '{"version":2,"name":"x"}');
  const writer = await JsonlWriter.open(file);
  await writer.append({ version: 2, name: "y" });
  await writer.close();
  expect((await collect(read(file))).map((row) => row.name)).toEqual(["x", "y"]);
});

test("a file that holds no records is refused and left as it was, through a link as well", async () => {
  const check = () => {
    throw new Error("of another kind");
  };
  const foreign: [string, string | Buffer][] = [
    ["notes", "a first line\nand a second without its newline"],
    ["one line", "no newline at all"],
    ["config.json", '{\n  "model": "m",\n  "seed": 1\n}'],
    ["array", "[1, 2, 3]"],
    ["table", '"a","b"\n1,2\n3,'],
    ["weights", Buffer.from([8, 0, 0, 0, 0, 0, 0, 0, 123, 34, 10, 255])],
    ["a number", "17"],
    ["null", "null\nnull"],
    ["blank lines", "\n\n# title\n"],
  ];
  for (const [name, content] of foreign) {
    const file = join(dir, "foreign");
    const link = join(dir, "link.jsonl");
    await fs.writeFile(file, content);
    await fs.symlink(file, link).catch(() => {});
    for (const path of [file, link])
      for (const open of [
        () => JsonlWriter.open(path),
        () => resumeJsonl(path, { read, keep: () => true }),
      ]) {
        await expect(open(), name).rejects.toMatchObject({ code: "RECORD" });
        expect(await fs.readFile(file), name).toEqual(Buffer.from(content));
      }
  }
  for (const content of ['{"name":"package"}', '{ "id": 1 }\n{"id":2,"na']) {
    const file = join(dir, "other.json");
    await fs.writeFile(file, content);
    await expect(JsonlWriter.open(file, { check })).rejects.toThrow("of another kind");
    await expect(resumeJsonl(file, { read, keep: () => true })).rejects.toMatchObject({ code: "RECORD" });
    expect(await fs.readFile(file, "utf8")).toBe(content);
  }
  expect((await fs.readdir(dir)).sort()).toEqual(["foreign", "link.jsonl", "other.json"]);
});

test("a file that is reached through a link is rewritten where it is", async () => {
  const rows = ["a", "b"].map((name) => `${JSON.stringify({ version: 2, name })}\n`);
  await fs.writeFile(join(dir, "a.jsonl"), rows.join(""));
  await fs.symlink("a.jsonl", join(dir, "link"));
  const writer = await resumeJsonl(join(dir, "link"), { read, keep: (row) => row.name !== "a" });
  await writer.close();
  expect((await fs.lstat(join(dir, "link"))).isSymbolicLink()).toBe(true);
  expect(await fs.readFile(join(dir, "a.jsonl"), "utf8")).toBe(rows[1]);
});

test("concurrent appends keep their order and never interleave", async () => {
  const file = join(dir, "a.jsonl");
  const writer = await JsonlWriter.open(file);
  const rows = Array.from({ length: 200 }, (_, i) => ({
    version: 2,
    name: String(i).repeat(1 + (i % 7) * 500),
  }));
  await Promise.all(rows.map((row) => writer.append(row)));
  await writer.close();
  expect(await collect(read(file))).toEqual(rows);
});

/** Writes at most 7 bytes per call, and fails the write call with this index. */
function failing(failAt: number): FileOperations & { writes: number; syncs: number } {
  const operations = {
    ...nodeFileOperations,
    writes: 0,
    syncs: 0,
    open: async (path: string, flags: string): Promise<OpenFile> => {
      const file = await nodeFileOperations.open(path, flags);
      return {
        write: (data, offset, length, position) => {
          if (operations.writes++ === failAt)
            throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
          return file.write(data, offset, Math.min(7, length), position);
        },
        sync: () => {
          operations.syncs++;
          return file.sync();
        },
        truncate: (length) => file.truncate(length),
        close: () => file.close(),
      };
    },
  };
  return operations;
}

test("a full disk in the middle of a line leaves whole lines only, and the writer continues when there is room", async () => {
  for (let failAt = 0; failAt < 12; failAt++) {
    const file = join(dir, `${failAt}.jsonl`);
    const writer = await JsonlWriter.open(file, { operations: failing(failAt) });
    const rows = ["first", "second", "third"].map((name) => ({ version: 2, name }));
    const outcomes: boolean[] = [];
    for (const row of rows) {
      outcomes.push(
        await writer.append(row).then(
          () => true,
          (error) => {
            expect(error).toMatchObject({ code: "RECORD", details: { file } });
            return false;
          },
        ),
      );
    }
    await writer.close();
    expect(outcomes.filter((ok) => !ok)).toHaveLength(1);
    expect(await collect(read(file))).toEqual(rows.filter((_, i) => outcomes[i]));
  }
});

test("what was appended is fsynced by sync and close", async () => {
  const operations = failing(-1);
  const writer = await JsonlWriter.open(join(dir, "a.jsonl"), { operations, syncEveryMs: 60_000 });
  const before = operations.syncs;
  await writer.append({ version: 2, name: "x" });
  expect(operations.syncs).toBe(before);
  await writer.sync();
  expect(operations.syncs).toBe(before + 1);
  await writer.append({ version: 2, name: "y" });
  await writer.close();
  expect(operations.syncs).toBe(before + 2);
  expect(() => writer.append({})).toThrow(/after close/);
});

test("resumeJsonl removes what is to be redone and continues after the rest", async () => {
  const file = join(dir, "a.jsonl");
  await fs.writeFile(
    file,
    `${["a", "b", "c"].map((name) => `${JSON.stringify({ version: 2, name })}\n`).join("")}{"ver`,
  );
  const torn: string[] = [];
  const writer = await resumeJsonl(file, {
    read,
    keep: (row) => row.name !== "b",
    onTorn: (t) => torn.push(t.text),
  });
  await writer.append({ version: 2, name: "d" });
  await writer.close();
  expect(torn).toEqual(['{"ver']);
  expect((await collect(read(file))).map((row) => row.name)).toEqual(["a", "c", "d"]);
  expect((await fs.readdir(dir)).sort()).toEqual(["a.jsonl", "a.jsonl.torn"]);
});

test("a file has one writer, from the first look at its records until the writer is closed", async () => {
  const file = join(dir, "a.jsonl");
  const writer = await JsonlWriter.open(file);
  await writer.append({ version: 2, name: "a" });
  const inUse = { code: "CONFIG", message: expect.stringContaining(`${file} is in use`) };
  await expect(JsonlWriter.open(file)).rejects.toMatchObject(inUse);
  await expect(resumeJsonl(file, { read, keep: () => false })).rejects.toMatchObject(inUse);
  await writer.close();

  async function* slow(path: string) {
    await expect(JsonlWriter.open(file)).rejects.toMatchObject(inUse); // it is being read
    yield* read(path);
  }
  const refuse = () => {
    throw new Error("of another run");
  };
  await expect(resumeJsonl(file, { read: slow, keep: refuse })).rejects.toThrow("of another run");
  await (await resumeJsonl(file, { read, keep: () => true })).close(); // the refusal left no lock
  expect(await fs.readdir(dir)).toEqual(["a.jsonl"]);
});

test("whatever bytes a file holds, the reader gives records or a SwirlError", async () => {
  const file = join(dir, "fuzz.jsonl");
  const line = Buffer.from('{"version":2,"name":"x","nested":{"n":1}}\n{"version":2,"name":"y"}\n');
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let refused = 0;
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from(line);
    for (let flips = 1 + random(4); flips > 0; flips--) bytes[random(bytes.length)] = random(256);
    await fs.writeFile(file, bytes);
    await collect(read(file)).catch((error) => {
      refused++;
      expect(error).toMatchObject({ name: "SwirlError", code: "RECORD", details: { file } });
    });
  }
  expect(refused).toBeGreaterThan(100);
});
