/** Another end of a recorded trajectory is what a rollout in the same state, with the same seed, would have been. */
import { expect, it } from "vitest";
import { z } from "zod";
import { ScriptedPolicy, turnsTaken } from "../../tests/support/scripted-policy.js";
import { tool } from "../tools/tool.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { continueRollout, rollout } from "./rollout.js";
import { type RolloutSettings, rolloutSchema } from "./rollout-options.js";
import { rolloutSetup } from "./rollout-setup.js";
import { defineTask } from "./task.js";

const capitals = tool({
  name: "search",
  description: "Finds a capital.",
  tag: "search_query",
  inputSchema: z.object({ query: z.string() }),
  execute: ({ query }) => `capital of ${query}`,
});
const exactly = { id: "exactly", match: () => ({ status: "ok" as const, correct: true }) };
const task = defineTask({ name: "capitals", tools: [capitals], callLimit: 3, matcher: exactly });
const question = { id: "q", question: "Which city?", answers: ["Paris"] };

/** Which of its texts is said depends on the seed. */
const texts = [
  ["first <search_query>France</search_query>", "else <search_query>Spain</search_query>"],
  ["then <search_query>Italy</search_query>", "or <answer>Rome</answer>"],
  ["last <search_query>Malta</search_query>", "now <answer>Paris</answer>", "<answer>Oslo</answer>"],
  ["<answer>Valletta</answer>", "<search_query>too many</search_query>"],
];

function setup(options: Partial<RolloutSettings> = {}) {
  const policy = new ScriptedPolicy((context) => texts[Math.min(3, turnsTaken(context))]!);
  const settings = rolloutSchema.parse({ temperature: 1, seed: 3, ...options });
  return { policy, setup: rolloutSetup(policy, task, settings) };
}

/** All but how long it took. */
function content(trajectory: Trajectory): unknown {
  return JSON.parse(JSON.stringify(trajectory, (key, value) => (key === "milliseconds" ? 0 : value)));
}

function actionOf(trajectory: Trajectory, at: number) {
  const { text, action, logprobs, finishReason } = trajectory.steps[at]!;
  return {
    text,
    tokens: Int32Array.from(action),
    logprobs: Float32Array.from(logprobs),
    finishReason,
  };
}

it.each([true, false])(
  "is the same rollout when the action is the recorded one (thoughts kept: %s)",
  async (keepThoughts) => {
    let states = 0;
    for (let sample = 0; sample < 12; sample++) {
      const recorded = await rollout(question, sample, setup({ keepThoughts }).setup);
      for (let at = 0; at < recorded.steps.length; at++) {
        const { policy, setup: again } = setup({ keepThoughts });
        const action = actionOf(recorded, at);
        const other = await continueRollout(recorded, at, { action, seed: recorded.seed }, again);
        expect(content(other)).toEqual(content(recorded));
        expect(policy.calls).toHaveLength(recorded.steps.length - at - 1); // the given action was not sampled
        states++;
      }
    }
    expect(states).toBeGreaterThan(24);
  },
);

it("goes another way from another action, and leaves the record alone", async () => {
  const recorded = await rollout(question, 0, setup().setup);
  const before = structuredClone(recorded);
  const [action] = await new ScriptedPolicy(() => "so <answer>Bern</answer>").act({ messages: [] });
  const other = await continueRollout(recorded, 0, { action: action!, seed: 9 }, setup().setup);
  expect(other).toMatchObject({ id: recorded.id, end: "answer", answer: "Bern", seed: 9 });
  expect(other.steps).toHaveLength(1);
  expect(recorded).toEqual(before);
});

it("counts the calls made before, and knows which", async () => {
  const { setup: first } = setup({ repeatedCall: "end" });
  const recorded = await rollout(question, 1, first);
  const calls = recorded.steps.filter(({ kind }) => kind === "call");
  expect(calls.length).toBeGreaterThan(0);
  const [repeat] = await new ScriptedPolicy(() => calls[0]!.text).act({ messages: [] });
  const other = await continueRollout(
    recorded,
    1,
    { action: repeat!, seed: 1 },
    setup({ repeatedCall: "end" }).setup,
  );
  expect(other).toMatchObject({ end: "malformed" });
  const none = rolloutSetup(first.policy, task, { ...first.options, callLimit: 1 });
  const [call] = await new ScriptedPolicy(() => "<search_query>new</search_query>").act({ messages: [] });
  const over = await continueRollout({ ...recorded, callLimit: 1 }, 1, { action: call!, seed: 1 }, none);
  expect(over).toMatchObject({ end: "limit" });
});
