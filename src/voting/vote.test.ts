import { expect, test } from "vitest";
import { ScriptedPolicy } from "../../tests/support/scripted-policy.js";
import { exactMatcher, numericMatcher } from "../answers/matchers.js";
import type { Judge, Verdict } from "../judge/judge.js";
import { rolloutSchema } from "../synthesize/rollout-options.js";
import { rolloutSetup } from "../synthesize/rollout-setup.js";
import { defineTask } from "../synthesize/task.js";
import { vote } from "./vote.js";

/** Sample i gives answers[i]; undefined: it gives none. */
function setup(answers: (string | undefined)[], matcher = numericMatcher()) {
  let sample = 0; // the samples act in order, once each
  const policy = new ScriptedPolicy(() => {
    const answer = answers[sample++];
    return answer === undefined ? "I cannot say." : `<answer>${answer}</answer>`;
  });
  const task = defineTask({ name: "plain", tools: [], callLimit: 0, matcher });
  return rolloutSetup(policy, task, rolloutSchema.parse({ temperature: 1, seed: 0 }));
}
const question = { id: "q", question: "6 · 7?", answers: ["42"] };
const rated = (scores: Record<string, number | "failed">): Judge => ({
  id: "by-answer",
  judge: async ({ action }): Promise<Verdict> => {
    const score = scores[/<answer>(.*)<\/answer>/.exec(action)![1]!] ?? 0;
    return score === "failed"
      ? { status: "failed", error: "no reply" }
      : { status: "ok", good: score >= 0.5, score, votes: 1 };
  },
});
const voted = (answers: (string | undefined)[], more: Partial<Parameters<typeof vote>[2]> = {}) =>
  vote(question, setup(answers), { votes: answers.length, ...more }, undefined);

test("the majority's answer, in the matcher's sense of equal; samples without an answer have no vote", async () => {
  const result = await voted(["7", undefined, "$42.00", "42", undefined]);
  expect(result.votes).toEqual([
    { answer: "$42.00", samples: [2, 3] },
    { answer: "7", samples: [0] },
  ]);
  expect(result.chosen.sample).toBe(2);
  expect(result.trajectories.map(({ sample }) => sample)).toEqual([0, 1, 2, 3, 4]);
});

test("of equal counts, the answer given first; without any answer, the first trajectory", async () => {
  expect((await voted(["1", "2", "2", "1"])).chosen.answer).toBe("1");
  const none = await voted([undefined, undefined]);
  expect(none).toMatchObject({ votes: [], chosen: { sample: 0, end: "malformed" } });
});

test("the gold answers have no influence", async () => {
  expect((await voted(["41", "41", "42"])).chosen.answer).toBe("41");
});

test("best of n: the highest mean score, then the more popular answer", async () => {
  const by = (scores: Record<string, number | "failed">, answers: (string | undefined)[]) =>
    voted(answers, { select: "judge", judge: rated(scores) });
  expect((await by({ 1: 0.2, 2: 0.9 }, ["1", "1", "2"])).chosen.answer).toBe("2");
  expect((await by({ 1: 0.9, 2: 0.9 }, ["1", "2", "2"])).chosen.answer).toBe("2");
  expect((await by({ 1: 0.2, 2: "failed" }, ["1", "2", "2"])).chosen.answer).toBe("1");
  expect(await by({ 1: 0.2, 2: 0.9 }, ["1", "2"])).toMatchObject({
    verdicts: [{ status: "ok", score: 0.9 }],
  });
  expect(await by({ 1: "failed", 2: "failed" }, ["1", "2"])).toMatchObject({
    undecided: expect.stringContaining("no reply"),
  });
});

test("a matcher that fails groups by the text alone", async () => {
  const broken = { id: "broken", match: () => ({ status: "failed", error: "?" }) as const };
  const result = await vote(question, setup(["a", "a ", "b"], broken), { votes: 3 }, undefined);
  expect(result.votes.map(({ samples }) => samples)).toEqual([[0, 1], [2]]);
});

test("an exact matcher groups names", async () => {
  const result = await vote(
    question,
    setup(["The Seine", "seine", "Rhine"], exactMatcher()),
    { votes: 3 },
    undefined,
  );
  expect(result.chosen.answer).toBe("The Seine");
});
