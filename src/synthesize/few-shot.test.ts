import { expect, test } from "vitest";
import { lastMessage, ScriptedPolicy } from "../../tests/support/scripted-policy.js";
import { tinyDemonstrations, tinyTask } from "../../tests/support/tiny-world.js";
import { calculator } from "../tools/calculator/index.js";
import type { Demonstration } from "../trajectory/demonstration.js";
import { actionFormat } from "./action-format.js";
import { fewShotTask } from "./few-shot.js";
import { rollout } from "./rollout.js";
import { rolloutSchema } from "./rollout-options.js";
import { rolloutSetup } from "./rollout-setup.js";
import { calculatorTask } from "./tasks.js";

const task = calculatorTask(calculator());
const solved = (a: number, b: number): Demonstration => ({
  question: { id: `${a}+${b}`, question: `${a} apples and ${b} more?`, answers: [`${a + b}`] },
  steps: [{ thought: "I add.", call: { name: "calculator", input: `${a} + ${b}` }, observation: `${a + b}` }],
  conclusion: "Done.",
  answer: `${a + b}`,
});

test("solved examples as turns: the rules once, then questions alone", async () => {
  const shown = await fewShotTask(task, [solved(1, 2), solved(3, 4)]);
  const messages = shown.prompt("5 apples?", actionFormat("tags", task.tools), 10);
  expect(messages.slice(1)).toEqual([
    { role: "assistant", content: "I add. <math_exp>1 + 2</math_exp>" },
    { role: "user", content: "1 + 2 -> 3" },
    { role: "assistant", content: "Done. <answer>3</answer>" },
    { role: "user", content: "Question: 3 apples and 4 more?" },
    { role: "assistant", content: "I add. <math_exp>3 + 4</math_exp>" },
    { role: "user", content: "3 + 4 -> 7" },
    { role: "assistant", content: "Done. <answer>7</answer>" },
    { role: "user", content: "Question: 5 apples?" },
  ]);
  expect(messages[0]!.content).toMatch(/At most 10 calculations[\s\S]*Question: 1 apples and 2 more\?$/);
});

test("in the chat template's format, calls and results are calls and results", async () => {
  const shown = await fewShotTask(task, [solved(1, 2)]);
  const messages = shown.prompt("5 apples?", actionFormat("chat-template", task.tools), 10);
  const call = { id: "example-0-0", name: "calculator", input: '{"expression":"1 + 2"}' };
  expect(messages.slice(1, 3)).toEqual([
    { role: "assistant", content: "I add.", toolCalls: [call] },
    { role: "tool", content: "3", toolCallId: "example-0-0" },
  ]);
});

test("a task with a prompt of its own repeats it; the record keeps the whole prompt", async () => {
  const shown = await fewShotTask(tinyTask, tinyDemonstrations(2));
  const policy = new ScriptedPolicy((context) => `<answer>${lastMessage(context).length}</answer>`);
  const setup = rolloutSetup(policy, shown, rolloutSchema.parse({ temperature: 1, seed: 0 }));
  const { prompt, end } = await rollout({ id: "q", question: "How many?", answers: [] }, 0, setup);
  expect(end).toBe("answer");
  expect(prompt.map(({ content }) => content)).toEqual([
    "How many of ab 0",
    "<search_query>ab</search_query>",
    "ab -> 2",
    "<answer>2</answer>",
    "How many of abab 1",
    "<search_query>abab</search_query>",
    "abab -> 4",
    "<answer>4</answer>",
    "How many?",
  ]);
});

test("refuses examples that the tools do not confirm, and none at all", async () => {
  const wrong = solved(1, 2);
  await expect(
    fewShotTask(task, [solved(1, 2), { ...wrong, steps: [{ ...wrong.steps[0]!, observation: "4" }] }]),
  ).rejects.toThrow(/example 2 \(1\+2\) cannot be replayed: step 1: calculator says "1 \+ 2 -> 3"/);
  await expect(fewShotTask(task, [])).rejects.toMatchObject({
    code: "CONFIG",
    details: { field: "demonstrations" },
  });
});
