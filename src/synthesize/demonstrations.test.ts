import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { tinyDemonstrations, tinyTask, writeTinyModel } from "../../tests/support/tiny-world.js";
import { NativePolicy } from "../policy/native-policy.js";
import { decompose } from "../trajectory/decompose.js";
import type { Demonstration } from "../trajectory/demonstration.js";
import { type Trajectory, trajectorySchema } from "../trajectory/trajectory.js";
import { demonstrate } from "./demonstrations.js";

let policy: NativePolicy;
beforeAll(async () => {
  const folder = join(temporaryFolder(), "model");
  await writeTinyModel(folder);
  policy = await NativePolicy.load(folder, { device: "cpu", threads: 1, trainable: false });
});
afterAll(() => policy.dispose());

async function replay(demonstrations: Demonstration[]) {
  const trajectories: Trajectory[] = [];
  const rejected: string[] = [];
  const replayed = demonstrate(demonstrations, {
    policy,
    task: tinyTask,
    maxNewTokens: 64,
    onRejected: ({ reason }) => rejected.push(reason),
  });
  for await (const trajectory of replayed) trajectories.push(trajectory);
  return { trajectories, rejected };
}

const [base] = tinyDemonstrations(1);

describe("demonstrate", () => {
  it("gives records of stage 1, token for token what the policy would have written", async () => {
    const thoughtful = {
      ...base!,
      steps: [{ ...base!.steps[0]!, thought: "I look it up." }],
      conclusion: "So it is",
    };
    const { trajectories } = await replay([thoughtful]);
    const [trajectory] = trajectories;
    expect(trajectorySchema.parse(trajectory)).toEqual(trajectory);
    expect(trajectory).toMatchObject({ end: "answer", answer: "2", policy: "demonstration", gold: ["2"] });
    expect(trajectory!.steps.map(({ text, finishReason }) => [text, finishReason])).toEqual([
      ["I look it up. <search_query>ab</search_query>", "stop"],
      ["So it is <answer>2</answer>", "stop"],
    ]);
    expect(trajectory!.steps[0]!.observation?.text).toBe("ab -> 2");
    for (const { action, logprobs, text } of trajectory!.steps) {
      expect(policy.tokenizer.decode(action)).toBe(text);
      expect(logprobs).toEqual(action.map(() => 0));
    }
    const [first, second] = decompose(trajectory!);
    const opened = policy.begin([{ role: "user", content: base!.question.question }]);
    expect(first!.state).toEqual(opened.tokens);
    const action = { text: trajectory!.steps[0]!.text, tokens: first!.action, finishReason: "stop" as const };
    expect(second!.state).toEqual(policy.extend(opened, action, { role: "user", content: "ab -> 2" }).tokens);
  });

  it("leaves out what the tool does not bear out, and says why", async () => {
    const step = base!.steps[0]!;
    const { trajectories, rejected } = await replay([
      { ...base!, steps: [{ ...step, observation: "3" }] },
      base!,
      { ...base!, steps: [step, step, step] },
      { ...base!, answer: "x".repeat(300) },
    ]);
    expect(trajectories).toHaveLength(1);
    expect(rejected).toEqual([
      'step 1: lookup says "ab -> 2", the demonstration "3"',
      expect.stringMatching(/it ends with "limit" at step 3/),
      expect.stringMatching(/does not fit into a context of 256 tokens/),
    ]);
  });

  it("compares numbers as numbers, and texts as texts", async () => {
    const step = base!.steps[0]!;
    const { trajectories } = await replay([
      { ...base!, steps: [{ ...step, observation: "2.001" }] },
      { ...base!, steps: [{ thought: "", call: step.call }] },
    ]);
    expect(trajectories).toHaveLength(2);
  });
});
