import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { readJsonRows } from "./json-rows.js";

let dir: string;
beforeAll(() => {
  dir = temporaryFolder();
});

async function rows(content: string | Buffer): Promise<[number, unknown][]> {
  const file = join(dir, "rows.json");
  await writeFile(file, content);
  const found: [number, unknown][] = [];
  for await (const { value, line } of readJsonRows(file)) found.push([line, value]);
  return found;
}

describe("readJsonRows", () => {
  const nested = { a: ["]", "}", '\\"[', { b: [[], {}] }], "é,": "🇫🇷\n" };

  it("reads an array on one line, an array over many, an envelope and JSONL", async () => {
    expect(await rows(JSON.stringify([nested, 2, nested]))).toEqual([
      [1, nested],
      [1, 2],
      [1, nested],
    ]);
    expect(await rows(JSON.stringify([{ a: 1 }, { b: 2 }], null, 1))).toEqual([
      [2, { a: 1 }],
      [5, { b: 2 }],
    ]);
    expect(
      await rows(JSON.stringify({ version: "1.0", split: null, data: [nested], rest: [1] }, null, 2)),
    ).toEqual([[5, nested]]);
    expect(await rows(`${JSON.stringify(nested)}\n\n${JSON.stringify({ data: 1 })}\n`)).toEqual([
      [1, nested],
      [3, { data: 1 }],
    ]);
    expect(await rows("[]")).toEqual([]);
    expect(await rows("  \n [ ]")).toEqual([]);
    expect(await rows("")).toEqual([]);
  });

  const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, "utf16le");
  const array = JSON.stringify([nested, nested]);
  const lines = `${JSON.stringify(nested)}\r\n${JSON.stringify(nested)}\r\n`;
  it.each([
    ["a byte-order mark", (text: string) => `\ufeff${text}`],
    ["UTF-16", utf16],
    ["UTF-16, big end first", (text: string) => utf16(text).swap16()],
    ["gzip", (text: string) => gzipSync(text)],
    [
      "gzip in two members",
      (text: string) => Buffer.concat([gzipSync(text.slice(0, 40)), gzipSync(text.slice(40))]),
    ],
    ["gzip with a byte-order mark", (text: string) => gzipSync(`\ufeff${text}`)],
  ])("reads %s", async (_, write) => {
    for (const text of [array, lines]) {
      expect((await rows(write(text))).map(([, value]) => value)).toEqual([nested, nested]);
    }
  });

  it("says that gzip is cut off", async () => {
    await expect(rows(gzipSync(lines.repeat(50)).subarray(0, -20))).rejects.toMatchObject({
      code: "RECORD",
      remedy: expect.stringContaining("compressed file is damaged"),
    });
  });

  it("reads rows that cross the borders of what is read at once", async () => {
    const long = Array.from({ length: 300 }, (_, i) => ({ i, text: `é"${"x".repeat(2_000 + i)}` }));
    const found = await rows(JSON.stringify(long));
    expect(found.map(([, value]) => value)).toEqual(long);
  });

  it.each([
    ["[{}, {]", /rows.json:1: (not JSON|the array is not closed)/],
    ['[\n{"a": 1},\n{"a": 2', /rows.json:3: the array is not closed/],
    ['[\n{"a": 1},\n{"a": nope}\n]', /rows.json:3: not JSON/],
    ['[{"a": 1},]x', undefined],
    ["[,1]", /not JSON/],
    [`[${"[".repeat(300)}`, /nested too deeply/],
    ['{"a": 1}\n{"a"', /rows.json:2: the last line is cut off/],
  ])("tells where %j is broken", async (content, message) => {
    if (message)
      await expect(rows(content)).rejects.toMatchObject({
        code: "RECORD",
        message: expect.stringMatching(message),
      });
    else expect((await rows(content)).length).toBe(1);
  });

  it("tells that a file is absent", async () => {
    await expect(readJsonRows(join(dir, "none.json")).next()).rejects.toMatchObject({ code: "RECORD" });
  });
});
