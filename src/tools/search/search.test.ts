import { describe, expect, it } from "vitest";
import { Bm25Index } from "./bm25-index.js";
import type { Retriever } from "./retriever.js";
import { NOTHING_FOUND, resultText, search } from "./search.js";

const passages = [
  { title: "Oru Belm", text: "Oru Belm is the\n mayor of  Kesh Holm." },
  { title: "Kesh Holm", text: "Kesh Holm is a town." },
  { title: "", text: "Untitled text about a lake." },
];

describe("search", () => {
  it("answers with the best passage as Title: text, on one line", async () => {
    const tool = search(await Bm25Index.build(passages));
    expect(tool.tag).toBe("search_query");
    expect(await tool.execute({ query: "mayor of Kesh Holm" }, {})).toBe(
      "Oru Belm: Oru Belm is the mayor of Kesh Holm.",
    );
    expect(await tool.execute({ query: "lake" }, {})).toBe("Untitled text about a lake.");
    expect(await tool.execute({ query: "zebra" }, {})).toBe(NOTHING_FOUND);
  });

  it("answers with several where asked", async () => {
    const tool = search(await Bm25Index.build(passages), { topK: 2 });
    expect(String(await tool.execute({ query: "Kesh Holm" }, {})).split("\n").length).toBe(2);
  });

  it("refuses an empty query and unknown options", async () => {
    const index = await Bm25Index.build(passages);
    expect(search(index).inputSchema.safeParse({ query: "  " }).success).toBe(false);
    expect(() => search(index, { topk: 3 } as object)).toThrow(
      /topk: unknown option \(did you mean topK\?\)/,
    );
    expect(() => search(index, { topK: 0 })).toThrow(/topK/);
  });

  it("bounds the query and passes the signal on", async () => {
    let seen: unknown[] = [];
    const retriever: Retriever = {
      search: (...all) => {
        seen = all;
        return [];
      },
    };
    const { signal } = new AbortController();
    await search(retriever, { maxQueryCharacters: 5 }).execute({ query: "q".repeat(100_000) }, { signal });
    expect(seen).toEqual(["qqqqq", 1, { signal }]);
  });
});

describe("resultText", () => {
  const hit = (text: string) => [{ passage: { title: "T", text }, score: 1 }];

  it("cuts at a word's border and says so", () => {
    expect(resultText(hit("one two three four five"), 20)).toBe("T: one two three…");
    expect(resultText(hit("one two"), 20)).toBe("T: one two");
  });

  it("never exceeds its length or splits a character", () => {
    for (let length = 20; length < 60; length++) {
      for (const text of [
        "👩‍👩‍👧🇫🇷".repeat(1_000),
        "x".repeat(100_000),
        "ab ".repeat(50_000),
        "é 🇫🇷 ".repeat(9_000),
      ]) {
        const result = resultText(hit(text), length);
        expect(result.length).toBeLessThanOrEqual(length);
        expect(result.endsWith("…")).toBe(true);
        expect(/\p{Surrogate}/u.test(result)).toBe(false);
      }
    }
  });
});
