import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { readJsonRows } from "./json-rows.js";

let dir: string;
beforeAll(() => {
  dir = temporaryFolder();
});

async function rows(content: string): Promise<[number, unknown][]> {
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

  it("reads rows that cross the borders of what is read at once", async () => {
    const long = Array.from({ length: 300 }, (_, i) => ({ i, text: `é"${"x".repeat(2_000 + i)}` }));
    const found = await rows(JSON.stringify(long));
    expect(found.map(([, value]) => value)).toEqual(long);
  });

  it.each([
    ["[{}, {]", /rows.json:1: (not JSON|the array has no end)/],
    ['[\n{"a": 1},\n{"a": 2', /rows.json:3: the array has no end/],
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
