import { createReadStream, existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { numericEqual } from "../answers/index.js";
import { calculate } from "../tools/calculator/index.js";
import {
  FORMAT_NAMES,
  type Passage,
  type ReadQuestionsOptions,
  readGsm8kDemonstrations,
  readHotpotqaDemonstrations,
  readPassages,
  readQuestions,
  solutionSteps,
} from "./index.js";

const shared = join(process.env.SWIRL_SHARED ?? join(import.meta.dirname, "../../../shared"), "data");
let dir: string;
beforeAll(() => {
  dir = temporaryFolder();
});

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
async function fileOf(content: unknown, name = "rows.json"): Promise<string> {
  const file = join(dir, name);
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}
const read = async (content: unknown, options?: ReadQuestionsOptions) =>
  all(readQuestions(await fileOf(content), options));

describe.skipIf(!existsSync(shared))("the real files", () => {
  it.each([
    ["gsm8k/test.jsonl", "gsm8k", 1319, { id: "gsm8k-test-1", answers: ["18"] }],
    [
      "hotpotqa/hotpot_distractor_dev_200.jsonl",
      "hotpotqa",
      200,
      { id: "5a7f6fd75542992e7d278cfa", answers: ["Rush"], tags: { type: "bridge", level: "hard" } },
    ],
    [
      "hotpotqa/hotpotqa_train_100.json",
      "hotpotqa",
      100,
      { id: "5a77ec115542992a6e59dff7", answers: ["a spirit"] },
    ],
    [
      "musique/musique_train_100.json",
      "musique",
      100,
      { id: "2hop__150763_14904", answers: ["G. Stanley Hall", "Stanley Hall"], tags: { hops: "2" } },
    ],
    [
      "2wikimultihopqa/2wiki_dev_164.jsonl",
      "2wikimultihopqa",
      164,
      { id: "b088d3ca08e211ebbda4ac1f6bf848b6", answers: ["Free Guy"], tags: { type: "bridge_comparison" } },
    ],
    [
      "2wikimultihopqa/2wiki_hippo_questions_with_answers.jsonl",
      "jsonl",
      76,
      { id: "2wiki-hippo-0", answers: ["20 March 851"] },
    ],
    [
      "2wikimultihopqa/2wiki_hippo_questions_with_answers.jsonl",
      "2wikimultihopqa",
      76,
      { id: "2wiki-hippo-0", answers: ["20 March 851"] },
    ],
    ["beerqa/real_rows.json", "beerqa", 2, { answers: ["general appearance"], tags: { src: "squad" } }],
  ] as const)("%s as %s", async (file, format, count, first) => {
    const named = await all(readQuestions(join(shared, file), { format }));
    expect(named.length).toBe(count);
    expect(named[0]).toMatchObject(first);
    expect(named.every(({ question, answers }) => question !== "" && answers.length > 0)).toBe(true);
    if (!file.includes("hippo")) expect(await all(readQuestions(join(shared, file)))).toEqual(named);
  });

  it.each([
    ["hotpotqa/hotpotqa_train_100_corpus.json", 994, "Demon Dice"],
    ["hotpotqa/hotpot_distractor_dev_200.jsonl", 1971, "Jeff Porcaro"],
    ["musique/musique_train_100_corpus.json", 1890, "Journal of Mathematical Physics"],
    ["musique/musique_train_100.json", 1890, "Journal of Mathematical Physics"],
    ["2wikimultihopqa/2wikimultihopqa_corpus.json", 6119, "Teutberga"],
    ["beerqa/real_rows.json", 2, "Race (human categorization)"],
  ])("passages of %s", async (file, count, title) => {
    const passages = await all(readPassages(join(shared, file)));
    expect(passages.length).toBe(count);
    expect(passages[0]?.title).toBe(title);
    expect(passages.every(({ text }) => text.trim() === text && text !== "")).toBe(true);
  });

  it("turns GSM8K's solutions into calls that the calculator answers as they say", async () => {
    const demonstrations = await all(
      readGsm8kDemonstrations(join(shared, "gsm8k/train.jsonl"), { limit: 3_000 }),
    );
    expect(demonstrations.length).toBe(3_000);
    let calls = 0;
    let agreeing = 0;
    for (const { steps, answer, question } of demonstrations) {
      expect(question.answers).toEqual([answer]);
      for (const { call, observation, thought } of steps) {
        expect(thought).not.toMatch(/<<|>>|####/);
        calls++;
        try {
          if (numericEqual(calculate(call.input), observation ?? "")) agreeing++;
        } catch {
          // counted as not agreeing
        }
      }
    }
    expect(calls).toBeGreaterThan(8_000);
    expect(agreeing / calls).toBeGreaterThan(0.97);
    const some = await all(
      readGsm8kDemonstrations(join(shared, "gsm8k/train.jsonl"), { offset: 3, limit: 2 }),
    );
    expect(some).toEqual(demonstrations.slice(3, 5));
  });

  it("reads CofCA-like rows, made by substituting entities in HotpotQA's", async () => {
    const lines = createInterface(createReadStream(join(shared, "hotpotqa/hotpot_distractor_dev_200.jsonl")));
    const made: unknown[] = [];
    for await (const line of lines) {
      const row = JSON.parse(line);
      const substitute = (text: string) => text.replaceAll(row.answer, "Vellamar Quist");
      made.push({
        question: substitute(row.question),
        answer: "Vellamar Quist",
        passage: row.context.map(([title, sentences]: [string, string[]]) => ({
          title: substitute(title),
          text: substitute(sentences.join("")),
        })),
        sub_questions: row.supporting_facts.map(([title]: [string]) => ({
          question: `Who is ${title}?`,
          answer: title,
        })),
        type: row.type,
      });
      if (made.length === 20) break;
    }
    const file = await fileOf(made, "cofca.json");
    const questions = await all(readQuestions(file));
    expect(questions.length).toBe(20);
    expect(questions[0]).toMatchObject({
      id: "cofca-1",
      answers: ["Vellamar Quist"],
      tags: { type: "bridge", hops: "2" },
    });
    expect(questions).toEqual(await all(readQuestions(file, { format: "cofca" })));
    const passages = await all(readPassages(file));
    expect(passages.length).toBeGreaterThan(150);
    expect(passages.some(({ text }) => text.includes("Vellamar Quist"))).toBe(true);
  });
});

describe("readQuestions", () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({
    id: `q${i}`,
    question: `Q ${i}?`,
    answers: [`a${i}`],
  }));

  it("reads questions of one's own, with and without ids", async () => {
    const lines =
      '{"question":" What? ","answer":" 7 "}\n{"id":3,"question":"Who?","answers":["A","A","B"]}\n{"question":"?","answer":7,"tags":{"k":"v"}}\n';
    expect(await read(lines)).toEqual([
      { id: "jsonl-rows-1", question: "What?", answers: ["7"] },
      { id: "3", question: "Who?", answers: ["A", "B"] },
      { id: "jsonl-rows-3", question: "?", answers: ["7"], tags: { k: "v" } },
    ]);
  });

  it("takes offset and limit", async () => {
    expect((await read(rows, { offset: 48 })).map(({ id }) => id)).toEqual(["q48", "q49"]);
    expect((await read(rows, { offset: 1, limit: 2 })).map(({ id }) => id)).toEqual(["q1", "q2"]);
    expect(await read(rows, { limit: 0 })).toEqual([]);
  });

  it("shuffles with a seed, before offset and limit", async () => {
    const shuffled = await read(rows, { shuffle: 5 });
    expect(shuffled).not.toEqual(await read(rows));
    expect(shuffled.map(({ id }) => id).sort()).toEqual(rows.map(({ id }) => id).sort());
    expect(await read(rows, { shuffle: 5, offset: 10, limit: 5 })).toEqual(shuffled.slice(10, 15));
    expect(await read(rows, { shuffle: 6 })).not.toEqual(shuffled);
  });

  it("reads several files as one, and refuses an id that comes twice", async () => {
    const a = await fileOf(rows.slice(0, 2), "a.json");
    const b = await fileOf(rows.slice(2, 4), "b.json");
    expect((await all(readQuestions([a, b]))).length).toBe(4);
    await expect(all(readQuestions([a, a]))).rejects.toThrow(/a.json:1: id "q0" was used in .*a.json:1/);
  });

  it("stops reading at the limit", async () => {
    const broken = `${JSON.stringify(rows[0])}\n${JSON.stringify(rows[1])}\nbroken`;
    expect((await read(broken, { limit: 2 })).length).toBe(2);
    await expect(read(broken, { limit: 3 })).rejects.toMatchObject({ code: "RECORD", details: { line: 3 } });
  });

  const hotpot = { _id: "h", question: "Q?", answer: "A", level: "easy", context: [["T", ["s"]]] };
  it.each([
    ["gsm8k", { question: "Q", answer: "no final answer" }, "answer"],
    ["hotpotqa", { ...hotpot, _id: undefined }, "_id"],
    ["hotpotqa", { ...hotpot, context: [["T"]] }, "context.0"],
    ["hotpotqa", { ...hotpot, question: "  " }, "question"],
    ["musique", { id: "2hop__1", question: "Q", answer: 3 }, "answer"],
    ["2wikimultihopqa", { ...hotpot, type: 3 }, "type"],
    ["beerqa", { id: "b", question: "Q", answers: "A", src: "squad" }, "answers"],
    ["cofca", { question: "Q", answer: "A", passage: 3 }, "passage"],
    ["jsonl", { question: "Q", answers: [{}] }, "answers.0"],
    ["jsonl", ["Q", "A"], ""],
  ] as const)("names file, line and field of a malformed %s row", async (format, row, field) => {
    await expect(read([row], { format })).rejects.toMatchObject({
      code: "RECORD",
      message: expect.stringContaining("rows.json:1"),
      details: { line: 1, field: expect.stringContaining(field) },
    });
  });

  it("says what it knows where it cannot tell the dataset", async () => {
    await expect(read([{ text: "no question" }])).rejects.toThrow(
      /a row that fits no known dataset[\s\S]*gsm8k, musique/,
    );
    await expect(read(rows, { format: "squad" as "jsonl" })).rejects.toThrow(/squad|format/);
    await expect(read(rows, { skip: 1 } as object)).rejects.toThrow(/skip: unknown option/);
  });

  it("tells the datasets apart by their fields", async () => {
    const samples: Record<string, object> = {
      gsm8k: { question: "Q", answer: "so\n#### 3" },
      hotpotqa: hotpot,
      musique: { id: "3hop1__1", question: "Q", answer: "A", paragraphs: [] },
      "2wikimultihopqa": {
        _id: "w",
        question: "Q",
        answer: "A",
        evidences: [],
        context: [],
        type: "inference",
      },
      beerqa: { id: "b", question: "Q", answers: ["A"], src: "squad" },
      cofca: { question: "Q", answer: "A", sub_questions: ["S"] },
      jsonl: { question: "Q", answer: "A" },
    };
    for (const name of FORMAT_NAMES) {
      const sample = samples[name];
      expect(await read([sample]), name).toEqual(await read([sample], { format: name }));
    }
  });
});

describe("the layout of the Hugging Face hub", () => {
  const row = {
    id: "h1",
    question: "Which paper began first, Arden's or Bell's?",
    answer: "Arden's",
    type: "comparison",
    level: "medium",
    supporting_facts: { title: ["Arden's", "Bell's"], sent_id: [0, 0] },
    context: { title: ["Arden's", "Bell's"], sentences: [["Began 1844.", " Ended."], ["Began 1989."]] },
  };
  const printed = {
    ...row,
    supporting_facts: JSON.stringify([
      ["Arden's", 0],
      ["Bell's", 0],
    ]),
    context: JSON.stringify([
      ["Arden's", ["Began 1844. Ended."]],
      ["Bell's", ["Began 1989."]],
    ]),
  };
  const parquet = join(import.meta.dirname, "../../tests/golden/data/hotpotqa.parquet");

  it.each([
    ["columns", row],
    ["JSON in text", printed],
  ])("is read: %s", async (_, content) => {
    const file = await fileOf([content], "hub.json");
    const questions = await all(readQuestions(file));
    expect(questions).toEqual([
      {
        id: "h1",
        question: row.question,
        answers: ["Arden's"],
        tags: { type: "comparison", level: "medium" },
      },
    ]);
    expect(await all(readQuestions(file, { format: "hotpotqa" }))).toEqual(questions);
    expect(await all(readPassages(file))).toEqual([
      { title: "Arden's", text: "Began 1844. Ended." },
      { title: "Bell's", text: "Began 1989." },
    ]);
    expect(await all(readHotpotqaDemonstrations(file))).toMatchObject([
      { question: { id: "h1" }, answer: "Arden's" },
    ]);
    const two = await fileOf([{ ...content, evidences: [] }], "hub2.json");
    expect((await all(readQuestions(two)))[0]).toMatchObject({ id: "h1", tags: { type: "comparison" } });
    expect((await all(readPassages(two))).length).toBe(2);
  });

  it("is read from Parquet", async () => {
    expect(await all(readQuestions(parquet))).toMatchObject([
      { id: "h1", answers: ["Arden's"] },
      { id: "h2", answers: ["no"] },
    ]);
    expect((await all(readPassages(parquet))).map(({ title }) => title)).toEqual([
      "Arden's",
      "Bell's",
      "Cora Lake",
    ]);
    expect((await all(readHotpotqaDemonstrations(parquet))).length).toBe(2);
    const zstd = await all(readQuestions(parquet.replace("hotpotqa", "gsm8k")));
    expect(zstd).toEqual([
      { id: "gsm8k-1", question: "How many are 2 and 2?", answers: ["4"] },
      { id: "gsm8k-2", question: "How many are 3 and 2?", answers: ["5"] },
    ]);
  });

  it("says that a Parquet file is damaged", async () => {
    const bytes = await readFile(parquet);
    const file = join(dir, "cut.parquet");
    await writeFile(file, bytes.subarray(0, bytes.length - 100));
    await expect(all(readQuestions(file))).rejects.toMatchObject({
      code: "RECORD",
      message: expect.stringContaining("Parquet"),
    });
  });
});

describe("gold answers", () => {
  it.each<[object, string[]]>([
    [{ golden_answers: ["4", "four"] }, ["4", "four"]],
    [{ gold: "4" }, ["4"]],
    [{ target: 4 }, ["4"]],
    [{ ground_truth: ["4"] }, ["4"]],
    [{ possible_answers: '["George Rankin", "G. Rankin"]' }, ["George Rankin", "G. Rankin"]],
    [{ answer: "4", answer_aliases: ["four", "4"] }, ["4", "four"]],
    [{ answer: "4", answers: ["4", "four"] }, ["4", "four"]],
    [{ answers: { text: ["Paris", "Paris"], answer_start: [0, 9] } }, ["Paris"]],
    [{ answer: { value: "Paris", aliases: ["City of Light"] } }, ["Paris", "City of Light"]],
    [{ answer: true }, ["yes"]],
    [{ answers: "72" }, ["72"]],
    [{ answer: "[sic] 4" }, ["[sic] 4"]],
    [{ answer: null, level: "hard" }, []],
    [{}, []],
  ])("of %j", async (fields, answers) => {
    expect(await read([{ question: "What is 2+2?", ...fields }])).toMatchObject([{ answers }]);
  });

  it.each([
    [{ answer: "4", gold: "5" }, /answer and gold hold different|gold and answer hold different/],
    [{ goldenAnswer: "4" }, /no answer under a known name; the row has question, goldenAnswer/],
    [{ anwser: "4" }, /known name/],
    [{ label: 3 }, /known name/],
    [{ answer: { text_: "4" } }, /answer/],
  ])("that %j does not give for certain are an error", async (fields, message) => {
    await expect(read([{ question: "What is 2+2?", ...fields }])).rejects.toMatchObject({
      code: "RECORD",
      message: expect.stringMatching(message),
      details: { line: 1 },
    });
  });

  it("stand under other names in a named dataset, too", async () => {
    const flash = { id: "1", question: "Q?", golden_answers: ["A"], metadata: {} };
    for (const format of ["hotpotqa", "musique", "2wikimultihopqa", "beerqa", "cofca", "jsonl"] as const)
      expect((await read([flash], { format }))[0]?.answers, format).toEqual(["A"]);
  });
});

describe("readPassages", () => {
  const passages = async (content: unknown): Promise<Passage[]> => all(readPassages(await fileOf(content)));

  it("reads arrays, JSONL and maps of titles, each distinct passage once", async () => {
    const a = { title: "A", text: "one" };
    expect(await passages([a, a, { text: ["two ", " three"] }, { title: "E", text: " " }])).toEqual([
      a,
      { title: "", text: "two three" },
    ]);
    expect(await passages(`${JSON.stringify(a)}\n${JSON.stringify(a)}\n`)).toEqual([a]);
    expect(await passages(JSON.stringify({ A: ["one"], B: ["two", " three"] }, null, 2))).toEqual([
      a,
      { title: "B", text: "two three" },
    ]);
    expect(await passages({ A: ["one"] })).toEqual([a]);
    expect(await passages(`\ufeff${JSON.stringify({ A: ["one"] }, null, 2)}`)).toEqual([a]);
  });

  it("names what is wrong", async () => {
    await expect(passages([{ title: "A" }])).rejects.toMatchObject({
      code: "RECORD",
      details: { field: "text" },
    });
    await expect(passages("{\n nonsense")).rejects.toMatchObject({ code: "RECORD", details: { line: 1 } });
    await expect(passages({ A: "one" })).rejects.toMatchObject({ code: "RECORD" });
  });
});

describe("solutionSteps", () => {
  it("makes one call of each annotation and leaves its result out of the thought", () => {
    expect(
      solutionSteps(
        "First think.\nShe has 3*4 = $<<3*4=12>>12.50 eggs and 1+1=<<1+1=2>>2.\nThe rest is 12-2 = <<12-2=10>>10 eggs.\nDone.\n#### 1,000",
      ),
    ).toEqual({
      steps: [
        {
          thought: "First think.\nShe has 3*4",
          call: { name: "calculator", input: "3*4" },
          observation: "12",
        },
        { thought: "eggs and 1+1.", call: { name: "calculator", input: "1+1" }, observation: "2" },
        { thought: "The rest is 12-2 eggs.", call: { name: "calculator", input: "12-2" }, observation: "10" },
      ],
      conclusion: "Done.",
      answer: "1,000",
    });
  });
});
