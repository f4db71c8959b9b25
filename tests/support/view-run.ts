/** Run directories for the tests of `swirl view`: of any size, with texts that try to harm the page. */
import { createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import type { EvaluationRecord } from "../../src/evaluate/evaluation-record.js";
import type { Verdict } from "../../src/judge/judge.js";
import { stepKey } from "../../src/judge/step-key.js";
import type { ActionsRecord } from "../../src/train/actions-record.js";
import { stepViews } from "../../src/trajectory/step-views.js";
import type { Step, Trajectory } from "../../src/trajectory/trajectory.js";

export const VIEW_JUDGE = "test-judge/1";

/** Texts that must stay texts. `window.harmed` is what they would set. */
export const HOSTILE = [
  '<script>window.harmed = 1</script><img src=x onerror="window.harmed=1">',
  "javascript:window.harmed=1//",
  '"><svg onload=window.harmed=1><a href="javascript:window.harmed=1">x</a>',
  "\u202eevil\u202c \u2066isolate\u2069 \u200bzero\u0000nul\u001b[31m",
  "${window.harmed=1} {{constructor.constructor('window.harmed=1')()}} &lt;b&gt;",
  `huge ${"x".repeat(300_000)}`,
];

/** Deterministic: trajectory i of a question is the same in every file. */
export function viewTrajectory(i: number, more: Partial<Trajectory> = {}): Trajectory {
  const [a, b] = [(i * 7) % 90, (i * 13) % 80];
  const right = i % 3 !== 0;
  const answer = String(a + b + (right ? 0 : 1));
  const hostile = i % 50 === 17 ? HOSTILE[((i / 50) % HOSTILE.length) | 0]! : "";
  const step = (text: string, extra: Partial<Step>): Step => ({
    keep: 0,
    append: [1, 2, 3],
    action: [4, 5, 6, 7],
    logprobs: [-0.1, -0.02, -2.5, -0.3],
    text,
    finishReason: "stop",
    kind: "call",
    milliseconds: 5,
    ...extra,
  });
  const call = `${a} + ${b}`;
  const steps = [
    step(`${hostile}<think>Let me add ${a} and ${b}.</think><math_exp>${call}</math_exp>`, {
      call: { name: "calculator", input: call },
      observation: { text: `${call} -> ${a + b}${hostile}`, error: false, milliseconds: 1 },
    }),
    ...(i % 11 === 5
      ? [step("I am not sure.", { kind: "malformed", problem: "no-tag" })]
      : [step(`<answer>${answer}</answer>`, { kind: "answer" })]),
  ];
  const ended = i % 11 === 5 ? { end: "malformed" as const } : { end: "answer" as const, answer };
  return {
    version: 1,
    id: `q${i}/0`,
    questionId: `q${i}`,
    question: `${hostile}Ann has ${a} hats and buys ${b}. How many hats has she? (${i})`,
    gold: [String(a + b)],
    sample: 0,
    seed: i,
    policy: "tiny",
    tools: ["calculator"],
    format: { kind: "tags", callTags: { calculator: "math_exp" }, answerTag: "answer" },
    callLimit: 10,
    prompt: [{ role: "user", content: `Answer the question. ${hostile}` }],
    steps,
    milliseconds: 20 + (i % 100),
    ...ended,
    ...more,
  };
}

export function viewVerdicts(trajectory: Trajectory): Verdict[] {
  return trajectory.steps.map((step, i) => {
    const good = step.kind === "call" || trajectory.answer === trajectory.gold[0];
    if (trajectory.seed % 97 === 96) return { status: "failed", error: "the judge's server was down" };
    return {
      status: "ok",
      good,
      score: good ? 1 : 0,
      votes: 1,
      reason: `step ${i + 1} ${good ? "follows" : "does not follow"}`,
    };
  });
}

export function viewEvaluation(i: number, right: boolean): EvaluationRecord {
  const base = viewTrajectory(3 * i + 1);
  const answer = right ? base.gold[0]! : "-1";
  const trajectory = { ...base, id: `t${i}/0`, questionId: `t${i}`, end: "answer" as const, answer };
  return {
    version: 1,
    id: `t${i}`,
    matcher: "numeric",
    correct: right,
    exact: right,
    f1: right ? 1 : 0,
    numeric: right,
    toolCalls: 1,
    judge: VIEW_JUDGE,
    verdicts: viewVerdicts(trajectory),
    trajectory,
  };
}

export function viewMetrics(step: number): Record<string, number | null> {
  return {
    step,
    epoch: step / 50,
    loss: -0.1 + 0.001 * step,
    reward: 1 - 1 / (step + 1),
    kl: step % 7 === 0 ? null : 0.01,
    num_tokens: 100 * step,
  };
}

function viewActions(step: number): ActionsRecord {
  const action = (reward: number) => ({
    text: `<answer>${reward}</answer>`,
    finishReason: "stop" as const,
    tokens: [4, 5],
    logprobs: [-0.2, -1.5],
    reward,
    advantage: reward - 0.5,
    verdict: { status: "ok" as const, good: reward === 1, score: reward, votes: 1, reason: HOSTILE[0]! },
  });
  const state = {
    trajectory: "q1/0",
    questionId: "q1",
    state: 1,
    question: `${HOSTILE[2]} How many?`,
    recorded: "<answer>1</answer>",
    samples: 2,
  };
  return { version: 1, step, batch: 32, states: [{ ...state, actions: [action(1), action(0)] }] };
}

/** Writes a run directory with so many trajectories, 60 test questions and 40 updates. */
export async function writeViewRun(folder: string, trajectories: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const at = (name: string) => join(folder, name);
  const lines = async (name: string, count: number, line: (i: number) => unknown) => {
    const out = createWriteStream(at(name));
    for (let i = 0; i < count; i++)
      if (!out.write(`${JSON.stringify(line(i))}\n`))
        await new Promise<void>((resolve) => out.once("drain", () => resolve()));
    out.end();
    await finished(out);
  };
  const session = {
    startedAt: "2026-11-27T12:00:00.000Z",
    package: "0.1.0",
    node: "v22.0.0",
    platform: "linux x64",
    addon: "0.1.0",
    device: "cpu",
  };
  await writeFile(
    at("manifest.json"),
    JSON.stringify({ version: 1, name: "view", seeds: { rollout: 1 }, inputs: {}, sessions: [session] }),
  );
  await writeFile(at("config.resolved.json"), JSON.stringify({ task: { kind: "calculator" } }));
  await lines("trajectories.jsonl", trajectories, (i) => viewTrajectory(i));
  const kept = Array.from({ length: trajectories }, (_, i) => i).filter((i) => i % 3 === 1 && i % 11 !== 5);
  await lines("kept.jsonl", kept.length, (k) => viewTrajectory(kept[k]!));
  await writeFile(at("verdicts.jsonl"), "");
  const verdicts = createWriteStream(at("verdicts.jsonl"));
  for (let i = 0; i < trajectories; i++) {
    const trajectory = viewTrajectory(i);
    const given = viewVerdicts(trajectory);
    for (const [step, view] of stepViews(trajectory).entries()) {
      const record = {
        version: 1,
        key: stepKey(VIEW_JUDGE, view),
        judge: VIEW_JUDGE,
        verdict: given[step],
        question: "",
        action: "",
      };
      if (!verdicts.write(`${JSON.stringify(record)}\n`))
        await new Promise<void>((resolve) => verdicts.once("drain", () => resolve()));
    }
  }
  verdicts.end();
  await finished(verdicts);
  await writeFile(
    at("filter.json"),
    JSON.stringify({
      pool: trajectories,
      applied: "process",
      rows: [
        {
          kind: "process",
          kept: kept.length,
          dropped: { "call judged BAD": 5, "answer judged BAD": trajectories - kept.length - 5 },
        },
      ],
      handedOn: kept.length,
    }),
  );
  await lines("evaluation-base.jsonl", 60, (i) => viewEvaluation(i, i % 4 === 0));
  await lines("evaluation-trained.jsonl", 60, (i) => viewEvaluation(i, i % 4 === 0 ? i !== 8 : i % 2 === 0));
  await lines("metrics.jsonl", 40, (i) => viewMetrics(i + 1));
  await lines("actions.jsonl", 40, (i) => viewActions(i + 1));
}
