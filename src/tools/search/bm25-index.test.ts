import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { processorTime } from "../../../tests/support/processor-time.js";
import { readPassages } from "../../data/index.js";
import { Bm25Index } from "./bm25-index.js";
import { words } from "./words.js";

describe("words", () => {
  it.each([
    ["The Cat's pyjamas, O'Brien!", ["cat", "pyjamas", "obrien"]],
    ["Alû (mythology) Škoda-Auto", ["alu", "mythology", "skoda", "auto"]],
    ["born 2 November 1932; ﬁlm №5", ["born", "2", "november", "1932", "film", "no5"]],
    ["日本 の", ["日", "本", "日本", "の"]],
    ["ドナウ川", ["ドナ", "ナウ", "川", "ウ川"]],
    ["서울은 한강", ["서", "울", "서울", "은", "울은", "한", "강", "한강"]],
    ["น้ำดี", ["น้ํา", "าดี"]],
    ["GPT4模型", ["gpt4", "模", "型", "模型"]],
    ["हिन्दी किताब", ["हिन्दी", "किताब"]],
    [
      "Łódź, Đakovo, Straße, STRASSE, Ørsted, œuvre, Æsir, Diyarbakır, Þór, İzmir",
      ["lodz", "dakovo", "strasse", "strasse", "orsted", "oeuvre", "aesir", "diyarbakir", "thor", "izmir"],
    ],
    ["Ёлка Σίσυφος كِتَاب co\u00adoperate", ["елка", "σισυφοσ", "كتاب", "cooperate"]],
    ["が か", ["が", "か"]],
    ["the of a", []],
    ["x".repeat(65), []],
  ])("%j", (text, expected) => {
    expect(words(text)).toEqual(expected);
  });
});

const passages = [
  { title: "Cat", text: "The cat sat on the mat. A cat is small." },
  { title: "Dog", text: "The dog chased the cat." },
  { title: "Bird", text: "Birds fly south in winter, far from any mat or house, over hills and seas." },
];

describe("scripts without spaces", () => {
  const corpus = [
    { title: "多瑙河", text: "多瑙河流经维也纳、布达佩斯和贝尔格莱德。" },
    { title: "ドナウ川", text: "ドナウ川はウィーンを流れる川である。" },
    { title: "서울", text: "서울은 대한민국의 수도이며 한강이 흐른다." },
    { title: "แม่น้ำ", text: "แม่น้ำดานูบไหลผ่านกรุงเวียนนา" },
    { title: "ផ្លូវ", text: "ទន្លេដានុយហូរកាត់ទីក្រុងវីយែន" },
    { title: "Łódź", text: "Đakovo, Straße, Ørsted, œuvre" },
  ];
  it.each([
    ["维也纳", "多瑙河"],
    ["布达佩斯在哪里？", "多瑙河"],
    ["河", "多瑙河"],
    ["ウィーン", "ドナウ川"],
    ["ｳｨｰﾝ", "ドナウ川"],
    ["수도", "서울"],
    ["강", "서울"],
    ["대한민국은", "서울"],
    ["เวียนนา", "แม่น้ำ"],
    ["វីយែន", "ផ្លូវ"],
    ["lodz", "Łódź"],
    ["strasse", "Łódź"],
    ["ORSTED", "Łódź"],
  ])("%s", async (query, title) => {
    const index = await Bm25Index.build(corpus);
    expect(index.search(query, 1)[0]?.passage.title).toBe(title);
  });
});

describe("Bm25Index", () => {
  it("scores as the formula says", async () => {
    const [k1, b] = [0.9, 0.4];
    const index = await Bm25Index.build(passages);
    const documents = passages.map(({ title, text }) => words(`${title} ${text}`));
    const mean = documents.reduce((sum, terms) => sum + terms.length, 0) / documents.length;
    const query = ["cat", "mat"];
    const expected = documents.map((terms) =>
      query.reduce((sum, term) => {
        const n = documents.filter((other) => other.includes(term)).length;
        const f = terms.filter((other) => other === term).length;
        const idf = Math.log(1 + (documents.length - n + 0.5) / (n + 0.5));
        return sum + (idf * f * (k1 + 1)) / (f + k1 * (1 - b + (b * terms.length) / mean));
      }, 0),
    );
    const hits = index.search("The CAT on a mat?", 3);
    expect(hits.map(({ passage }) => passage.title)).toEqual(
      ["Cat", "Bird", "Dog"].sort((x, y) => expected[at(y)]! - expected[at(x)]!),
    );
    for (const { passage, score } of hits) expect(score).toBeCloseTo(expected[at(passage.title)]!, 12);
  });

  it("leaves out what has nothing in common, and gives ties to the earlier passage", async () => {
    const index = await Bm25Index.build([...passages, { title: "Dog", text: "The dog chased the cat." }]);
    expect(index.search("dog", 10).map(({ passage }) => index.passages.indexOf(passage))).toEqual([1, 3]);
    expect(index.search("zebra", 3)).toEqual([]);
    expect(index.search("the of", 3)).toEqual([]);
    expect(index.search("cat", 1).length).toBe(1);
    expect((await Bm25Index.build([])).search("cat", 3)).toEqual([]);
  });

  it("refuses parameters that are none", async () => {
    for (const options of [{ k1: -1 }, { b: 1.5 }, { k1: Number.NaN }]) {
      await expect(Bm25Index.build(passages, options)).rejects.toMatchObject({ code: "CONFIG" });
    }
  });

  it("takes bounded time on a huge query", async () => {
    const index = await Bm25Index.build(passages);
    const before = processorTime();
    index.search("cat mat dog ".repeat(20_000), 3);
    expect(processorTime() - before).toBeLessThan(1_000);
  });
});

function at(title: string): number {
  return passages.findIndex((passage) => passage.title === title);
}

const data = join(
  process.env.SWIRL_SHARED ?? join(import.meta.dirname, "../../../../shared"),
  "data/hotpotqa",
);
it.skipIf(!existsSync(data))("finds a supporting article of nearly every HotpotQA question", async () => {
  const index = await Bm25Index.build(readPassages(join(data, "hotpotqa_train_100_corpus.json")));
  const rows: { question: string; supporting_facts: [string, number][] }[] = JSON.parse(
    readFileSync(join(data, "hotpotqa_train_100.json"), "utf8"),
  );
  const found = (depth: number) =>
    rows.filter(({ question, supporting_facts }) => {
      const titles = new Set(supporting_facts.map(([title]) => title));
      return index.search(question, depth).some(({ passage }) => titles.has(passage.title));
    }).length;
  expect(rows.length).toBe(100);
  expect(found(1)).toBeGreaterThanOrEqual(75);
  expect(found(5)).toBeGreaterThanOrEqual(94);
});
