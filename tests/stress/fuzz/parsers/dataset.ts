import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FORMAT_NAMES, type FormatName } from "../../../../src/data/formats/index.js";
import { readRows } from "../../../../src/data/read-rows.js";
import { mutateJson, mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";
import { workFolder } from "./corpus.js";

const PARAGRAPHS = [{ idx: 0, title: "Rhine", paragraph_text: "A river.", is_supporting: true }];
const CONTEXT = [["Rhine", ["A river.", " In Europe."]]];
const SEEDS: readonly (readonly [FormatName, object])[] = [
  ["gsm8k", { question: "How many?", answer: "3+4=<<3+4=7>>7\n#### 7" }],
  [
    "musique",
    {
      id: "2hop__1_2",
      question: "Who?",
      answer: "Ann",
      answer_aliases: ["A."],
      answerable: true,
      paragraphs: PARAGRAPHS,
      question_decomposition: [],
    },
  ],
  [
    "2wikimultihopqa",
    {
      _id: "a",
      type: "bridge",
      question: "Who?",
      answer: "Ann",
      context: CONTEXT,
      supporting_facts: [["Rhine", 0]],
      evidences: [["a", "b", "c"]],
    },
  ],
  [
    "hotpotqa",
    {
      _id: "a",
      question: "Who?",
      answer: "Ann",
      type: "bridge",
      level: "hard",
      context: CONTEXT,
      supporting_facts: [["Rhine", 0]],
    },
  ],
  [
    "hotpotqa",
    {
      id: "a",
      question: "Who?",
      answer: "Ann",
      context: { title: ["Rhine"], sentences: [["A river."]] },
      supporting_facts: { title: ["Rhine"], sent_id: [0] },
    },
  ],
  [
    "beerqa",
    { id: "a", question: "Who?", answers: ["Ann"], src: "hotpotqa", context: [["Rhine", "A river."]] },
  ],
  ["cofca", { id: "a", question: "Who?", answer: "Ann", context: CONTEXT, type: "2-hop" }],
  ["jsonl", { id: "a", question: "Who?", answers: ["Ann", 5], tags: { level: "1" } }],
  ["jsonl", { question: "Who?", golden_answers: '["Ann"]', possible_answers: '["Ann"]' }],
];
const WORDS = [
  "\n",
  "[",
  "]",
  ",",
  '{"data": [',
  '{"version": "1", "data": [',
  "\ufeff",
  "PAR1",
  "\u001f\u008b",
  '"answers":',
  '"answer":',
  "null",
];

/** A question has an id and text, and its gold answers are texts that are not blank. */
export const dataset: FuzzedParser = {
  name: "dataset",
  share: 0.05,
  input: (random) => {
    const [name, seed] = random.pick(SEEDS);
    const rows = [mutateJson(random, seed), ...(random.integer(0, 3) === 0 ? [random.pick(SEEDS)[1]] : [])];
    const texts = rows.map((row) => JSON.stringify(row) ?? "");
    const text = random.pick([
      texts.join("\n"),
      `[${texts.join(",\n")}]`,
      `{"version": 1, "data": [${texts.join(", ")}]}`,
    ]);
    const shown = random.pick([name, name, "auto", random.pick(FORMAT_NAMES)]);
    return `${shown}\n${random.integer(0, 4) === 0 ? mutateText(random, [text], WORDS) : text}`;
  },
  read: async (input) => {
    const cut = input.indexOf("\n");
    const path = join(workFolder("dataset"), "rows.json");
    writeFileSync(path, input.slice(cut + 1), "utf8");
    const named = FORMAT_NAMES.find((name) => name === input.slice(0, cut));
    const questions: unknown[] = [];
    for await (const { row, format, fallbackId } of readRows(path, named)) {
      const question = format.question(row, fallbackId);
      must(typeof question.id === "string" && question.id !== "", "a question has an id");
      must(/\S/.test(question.question), "a question has a text");
      must(
        question.answers.every((answer) => typeof answer === "string" && /\S/.test(answer)),
        "answers are texts",
      );
      for (const { title, text } of format.passages?.(row) ?? [])
        must(typeof title === "string" && typeof text === "string", "passages are texts");
      questions.push(question);
    }
    return questions;
  },
};
