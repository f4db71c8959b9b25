import { expect, test } from "vitest";
import { z } from "zod";
import { lastMessage, ScriptedPolicy, turnsTaken } from "../../tests/support/scripted-policy.js";
import { calculatorTask } from "../synthesize/tasks.js";
import { tool } from "../tools/tool.js";
import { solve } from "./solve.js";
import { solveByVote } from "./solve-by-vote.js";

const halves = tool({
  name: "calculator",
  description: "Halves a number.",
  tag: "math_exp",
  inputSchema: z.object({ expression: z.string() }),
  execute: ({ expression }) => String(Number(expression) / 2),
});

const policy = () =>
  new ScriptedPolicy((context) =>
    turnsTaken(context) === 0
      ? ["<math_exp>48</math_exp>", "<math_exp>50</math_exp>"]
      : `<answer>${lastMessage(context).split("-> ")[1]}</answer>`,
  );

test("solves a plain question greedily, step by step, with live tools", async () => {
  const steps: string[] = [];
  const solved = await solve("Half of 48?", {
    policy: policy(),
    task: calculatorTask(halves),
    onStep: (step) => steps.push(step.observation?.text ?? step.text),
  });
  expect(solved).toMatchObject({ end: "answer", answer: "24", gold: [], question: "Half of 48?" });
  expect(steps).toEqual(["48 -> 24", "<answer>24</answer>"]);
});

test("names a wrong option, and stops on abort", async () => {
  const task = calculatorTask(halves);
  await expect(solve("?", { policy: policy(), task, steps: 3 } as never)).rejects.toThrow(
    /steps: unknown option/,
  );
  await expect(solve("?", { policy: policy(), task, signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "ABORTED",
  });
});

test("solves by vote: all trajectories at once, each reported, the majority's answer chosen", async () => {
  const answers = ["24", "24.0", "25"];
  let next = 0;
  const task = calculatorTask(halves);
  const guessing = new ScriptedPolicy(() => `<answer>${answers[next++]}</answer>`);
  const seen: (string | undefined)[] = [];
  const result = await solveByVote("Half of 48?", {
    policy: guessing,
    task,
    votes: 3,
    onTrajectory: ({ answer }) => seen.push(answer),
  });
  expect(result.chosen.answer).toBe("24");
  expect(result.votes).toEqual([
    { answer: "24", samples: [0, 1] },
    { answer: "25", samples: [2] },
  ]);
  expect(seen.sort()).toEqual(["24", "24.0", "25"]);
});

test.each([
  [{ temperature: 0 }, /8 votes at temperature 0/],
  [{ select: "judge" }, /needs a judge/],
  [{ votes: 1 }, /votes/],
])("refuses a vote that cannot be one: %j", async (more, message) => {
  const asked = solveByVote("?", { policy: policy(), task: calculatorTask(halves), ...more } as never);
  await expect(asked).rejects.toThrow(message);
});
