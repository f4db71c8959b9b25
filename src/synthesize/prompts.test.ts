import { expect, test } from "vitest";
import { Bm25Index, calculator, search } from "../tools/index.js";
import { actionFormat } from "./action-format.js";
import { defineTask } from "./task.js";
import { calculatorTask, searchTask } from "./tasks.js";

const searching = searchTask(search(await Bm25Index.build([{ title: "Paris", text: "Capital of France." }])));
const text = (task: typeof searching, kind: "tags" | "chat-template", limit = task.callLimit) => {
  const messages = task.prompt("Who?", actionFormat(kind, task.tools), limit);
  expect(messages.map((message) => message.role)).toEqual(["user"]);
  return messages[0]!.content;
};

test("the two tasks of the paper: tags, limits, result format, the rules", async () => {
  const asked = text(searching, "tags");
  expect(searching.callLimit).toBe(5);
  for (const part of [
    "<search_query>",
    "</search_query>",
    "<answer>",
    "QUERY -> RESULT",
    "At most 5 searches",
    "same query twice",
    "never both",
    "few words",
    "Question: Who?",
  ]) {
    expect(asked).toContain(part);
  }
  const calculating = calculatorTask(calculator());
  expect(calculating.callLimit).toBe(10);
  // The example in the prompt is what the tool really answers.
  const example = `48 / 2 -> ${await calculator().execute({ expression: "48 / 2" }, {})}`;
  for (const part of ["<math_exp>", `as ${example},`, "At most 10 calculations"]) {
    expect(text(calculating, "tags")).toContain(part);
  }
});

test("the chat-template prompt leaves the form of calls to the template", () => {
  const asked = text(searching, "chat-template");
  expect(asked).not.toContain("search_query");
  expect(asked).toContain("<answer>");
  expect(asked).toContain("At most 5 searches");
});

test("a single call is singular, and the limit is the one in force", () => {
  expect(text(searching, "tags", 1)).toContain("At most 1 search,");
});

test("a task without tools asks for the answer only", () => {
  const plain = defineTask({ name: "plain", tools: [], callLimit: 0, matcher: searching.matcher });
  const asked = text(plain, "tags");
  expect(asked).toContain("<answer>");
  expect(asked).not.toMatch(/tool|At most/);
});
