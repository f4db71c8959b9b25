/** Fills a run directory with what a run leaves there, by running the stages with a scripted policy. */
import * as fs from "node:fs/promises";
import { z } from "zod";
import { evaluate } from "../../src/evaluate/evaluate.js";
import { writeJson } from "../../src/files/json-file.js";
import { filterTrajectories } from "../../src/filter/filter-trajectories.js";
import type { Judge } from "../../src/judge/judge.js";
import { judgeSteps } from "../../src/judge/judge-steps.js";
import { RunDirectory } from "../../src/run-directory/run-directory.js";
import { synthesize } from "../../src/synthesize/synthesize.js";
import { calculatorTask } from "../../src/synthesize/tasks.js";
import { tool } from "../../src/tools/tool.js";
import { lastMessage, ScriptedPolicy, turnsTaken } from "./scripted-policy.js";

const double = tool({
  name: "calculator",
  description: "Doubles a number.",
  tag: "math_exp",
  inputSchema: z.object({ expression: z.string() }),
  execute: ({ expression }) => String(Number(expression) * 2),
});

const judge: Judge = {
  id: "says-the-number",
  judge: async (step) => {
    const number = /\d+/.exec(step.question)![0];
    const good = step.kind === "call" ? step.call!.input === number : step.kind === "answer";
    return { status: "ok", good, score: Number(good), votes: 1 };
  },
};

/** Right with probability `skill`: the share of its written choices that are. */
function policyOf(skill: number, id: string): ScriptedPolicy {
  return new ScriptedPolicy(
    (context) => {
      const n = Number(/Twice (\d+)/.exec(context.messages[0]!.content)![1]);
      const right = (n * 7919) % 100 < skill * 100;
      if (turnsTaken(context) > 0) return `So it is <answer>${lastMessage(context).split("-> ")[1]}</answer>`;
      const calls = [`I double it. <math_exp>${right ? n : n + 1}</math_exp>`, `<math_exp>${n}</math_exp>`];
      return right || n % 3 > 0 ? calls : ["<script>alert('no call here')</script> | `nothing`"];
    },
    { id },
  );
}

export async function sampleRun(dir: string, questionCount = 60): Promise<RunDirectory> {
  const questions = Array.from({ length: questionCount }, (_, i) => ({
    id: `q${i}`,
    question: `Twice ${i}?`,
    answers: [`${2 * i}`],
  }));
  const task = calculatorTask(double);
  const run = await RunDirectory.open(dir, {
    config: { seed: 0, train: { lr: 0.001 } },
    seeds: { rollout: 0 },
  });
  const output = run.paths.trajectories;
  const trajectories = synthesize(questions, { policy: policyOf(0.4, "start"), task, samples: 2, output });
  const options = { kind: "process" as const, outcome: task.matcher };
  const { table } = await filterTrajectories(judgeSteps(trajectories, { judge }), options);
  await writeJson(run.paths.filter, table);
  const rows = Array.from({ length: 120 }, (_, i) => ({
    step: i + 1,
    reward: 0.9 - 0.5 * Math.exp(-i / 40) + 0.06 * Math.sin(i * 2.3),
    kl: 0.0004 * i + 0.003 * Math.sin(i) ** 2,
    entropy: 1.6 * Math.exp(-i / 90),
    "completions/mean_length": 21 + 3 * Math.cos(i),
    grad_norm: i === 60 ? null : 2.5 / (1 + i / 30),
  }));
  await fs.writeFile(run.paths.metrics, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await evaluate(questions, {
    policy: policyOf(0.4, "start"),
    task,
    judge,
    output: run.paths.evaluation("start"),
  });
  await evaluate(questions, {
    policy: policyOf(0.85, "trained"),
    task,
    judge,
    output: run.paths.evaluation("trained"),
  });
  return run;
}
