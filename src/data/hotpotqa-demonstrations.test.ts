import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { queryOrder, readHotpotqaDemonstrations } from "./hotpotqa-demonstrations.js";

const rows = [
  {
    _id: "a",
    question: "Who directed the film that Mara Lind sang in?",
    answer: "Ole Berg",
    supporting_facts: [
      ["The Long Ferry", 0],
      ["Mara Lind", 1],
      ["Mara Lind", 2],
    ],
  },
  { _id: "b", question: "Which is older?", answer: "no", supporting_facts: [["Unmentioned Thing", 0]] },
];

async function demonstrations(options = {}) {
  const file = join(temporaryFolder(), "rows.json");
  await writeFile(file, JSON.stringify(rows));
  const found = [];
  for await (const demonstration of readHotpotqaDemonstrations(file, options)) found.push(demonstration);
  return found;
}

it("queries each supporting article once, the one that the question mentions first", async () => {
  expect(await demonstrations()).toEqual([
    {
      question: { id: "a", question: rows[0]!.question, answers: ["Ole Berg"] },
      steps: [
        { thought: "", call: { name: "search", input: "Mara Lind" }, observation: "Mara Lind" },
        { thought: "", call: { name: "search", input: "The Long Ferry" }, observation: "The Long Ferry" },
      ],
      answer: "Ole Berg",
    },
  ]);
});

it("takes rows from an offset", async () => {
  expect(await demonstrations({ offset: 1 })).toEqual([]);
});

it("keeps the row's order between titles that are mentioned alike", () => {
  expect(queryOrder("Are Alpha Tower and Beta Tower in one city?", ["Beta Tower", "Alpha Tower"])).toEqual([
    "Beta Tower",
    "Alpha Tower",
  ]);
});
