import { expect, test } from "vitest";
import type { Verdict } from "../judge/judge.js";
import type { Step, Trajectory } from "../trajectory/trajectory.js";
import { formatFilterTable } from "./filter-table.js";
import { type FilterItem, filterTrajectories } from "./filter-trajectories.js";

const GOOD: Verdict = { status: "ok", good: true, score: 1, votes: 1 };
const BAD: Verdict = { status: "ok", good: false, score: 0, votes: 1 };
const FAILED: Verdict = { status: "failed", error: "503" };
const equals = {
  id: "equals",
  match: ({ answer, gold }: { answer: string; gold: readonly string[] }) =>
    answer === "?"
      ? { status: "failed" as const, error: "parse" }
      : { status: "ok" as const, correct: gold.includes(answer) },
};

test.each([
  ["what was never judged", [judged("a", undefined, "yes")], /0 verdicts for 2 steps/],
  ["a trajectory alone", [judged("a", [GOOD], "yes").trajectory], /an item without a trajectory/],
  ["null", [null], /an item without a trajectory/],
  [
    "verdicts of another shape",
    [judged("a", [{ status: "ok", good: "no" } as never], "yes")],
    /verdicts\.0: .* is not a verdict/,
  ],
  [
    "verdicts without an array",
    [{ ...judged("a", [GOOD], "yes"), verdicts: "GOOD" }],
    /verdicts: "GOOD" is not a verdict/,
  ],
  [
    "a trajectory of another shape",
    [{ trajectory: { id: "a" }, verdicts: [GOOD] }],
    /filter: trajectory a: /,
  ],
])("refuses %s with a RECORD error", async (_, items, message) => {
  const filtered = filterTrajectories(items as FilterItem[], { kind: "process" });
  await expect(filtered).rejects.toMatchObject({ code: "RECORD", message: expect.stringMatching(message) });
});

function judged(
  id: string,
  verdicts: Verdict[] | undefined,
  answer: string | undefined,
  fields: Partial<Trajectory> = {},
): FilterItem {
  const count = verdicts?.length ?? 2;
  const steps = Array.from({ length: count }, (_, i): Step => {
    const last = i === count - 1;
    const kind = !last ? "call" : answer === undefined ? "malformed" : "answer";
    return {
      keep: 0,
      append: [],
      action: [],
      logprobs: [],
      text: "",
      finishReason: "stop",
      kind,
      milliseconds: 0,
    };
  });
  const trajectory: Trajectory = {
    version: 1,
    id: `${id}/0`,
    questionId: id,
    question: "?",
    gold: ["yes"],
    sample: 0,
    seed: 0,
    policy: "p",
    tools: [],
    format: { kind: "tags", callTags: {}, answerTag: "answer" },
    callLimit: 1,
    prompt: [],
    steps,
    end: answer === undefined ? "malformed" : "answer",
    ...(answer !== undefined && { answer }),
    milliseconds: 0,
    ...fields,
  };
  return verdicts ? { trajectory, verdicts } : { trajectory };
}

const pool = [
  judged("a", [GOOD, GOOD], "yes"),
  judged("b", [GOOD, GOOD], "no"),
  judged("c", [BAD, GOOD], "yes"),
  judged("d", [GOOD, BAD], "yes"),
  judged("e", [GOOD, FAILED], "yes"),
  judged("f", [FAILED, BAD], undefined),
  judged("g", [GOOD, GOOD], "yes", { gold: [] }),
  judged("h", [GOOD, GOOD], "?"),
  judged("i", [], undefined, { end: "failed", error: "down" }),
];
const ids = (kept: Trajectory[]) => kept.map((t) => t.questionId).join("");

test("each filter keeps what its definition says, over the same pool", async () => {
  const keep = async (kind: "none" | "process" | "outcome" | "both") =>
    ids((await filterTrajectories(pool, { kind, outcome: equals })).kept);
  expect(await keep("none")).toBe("abcdefgh");
  expect(await keep("process")).toBe("abgh");
  expect(await keep("outcome")).toBe("acde");
  expect(await keep("both")).toBe("a");
});

test("the table counts every trajectory once in every row, with its reason", async () => {
  const { table } = await filterTrajectories(pool, { kind: "both", outcome: equals });
  expect(table).toEqual({
    pool: 9,
    applied: "both",
    handedOn: 1,
    rows: [
      { kind: "none", kept: 8, dropped: { "rollout failed": 1 } },
      {
        kind: "process",
        kept: 4,
        dropped: {
          "call judged BAD": 1,
          "answer judged BAD": 1,
          "judge failed": 1,
          "malformed action judged BAD": 1,
          "rollout failed": 1,
        },
      },
      {
        kind: "outcome",
        kept: 4,
        dropped: {
          "wrong answer": 1,
          "no answer": 1,
          "no gold answer": 1,
          "answer check failed": 1,
          "rollout failed": 1,
        },
      },
      {
        kind: "both",
        kept: 1,
        dropped: {
          "wrong answer": 1,
          "call judged BAD": 1,
          "answer judged BAD": 1,
          "judge failed": 1,
          "malformed action judged BAD": 1,
          "no gold answer": 1,
          "answer check failed": 1,
          "rollout failed": 1,
        },
      },
    ],
  });
  const text = formatFilterTable(table);
  expect(text).toContain("both *");
  expect(text).toContain("9 trajectories; 1 kept by both");
  expect(
    new Set(
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => line.length),
    ).size,
  ).toBe(1);
});

test("without verdicts or matcher there is a row for what can be said, and no more", async () => {
  const { table } = await filterTrajectories([judged("a", undefined, "yes")], { kind: "none" });
  expect(table.rows.map((row) => row.kind)).toEqual(["none"]);
});

test("equalN is exact, seeded, and independent of the pool's order", async () => {
  const many = Array.from({ length: 40 }, (_, i) => judged(`q${i}`, [GOOD], "yes"));
  const draw = async (list: FilterItem[], seed: number) =>
    (await filterTrajectories(list, { kind: "process", equalN: 10, seed })).kept.map((t) => t.id);
  const first = await draw(many, 1);
  expect(first).toHaveLength(10);
  expect(await draw([...many].reverse(), 1)).toEqual(first);
  expect(await draw(many, 2)).not.toEqual(first);
  await expect(filterTrajectories(many, { kind: "process", equalN: 41 })).rejects.toMatchObject({
    code: "INPUT",
    message: /kept 40 trajectories, fewer than 41/,
  });
});

test("what would silently do nothing, or cannot be decided, is an error", async () => {
  const run = (list: FilterItem[], options: object) => filterTrajectories(list, options as never);
  await expect(run(pool, { kind: "outcome" })).rejects.toMatchObject({
    code: "CONFIG",
    details: { field: "outcome" },
  });
  await expect(run(pool, { kind: "process", seed: 3 })).rejects.toThrow(/equalN/);
  await expect(run(pool, { kind: "procss" })).rejects.toThrow(/kind/);
  await expect(run(pool, { kind: "process", equaln: 3 })).rejects.toThrow(/did you mean equalN/);
  await expect(run([judged("a", undefined, "yes")], { kind: "process" })).rejects.toThrow(
    /a\/0: 0 verdicts for 2 steps/,
  );
  const goldless = [judged("a", [GOOD], "yes", { gold: [] })];
  await expect(run(goldless, { kind: "outcome", outcome: equals })).rejects.toThrow(
    /no trajectory has a gold answer/,
  );
});

test("a matcher that throws is a check that failed", async () => {
  const throwing = {
    id: "t",
    match: () => {
      throw new Error("boom");
    },
  };
  const { table } = await filterTrajectories([pool[0]!], { kind: "outcome", outcome: throwing });
  expect(table.rows.at(-2)).toMatchObject({
    kind: "outcome",
    kept: 0,
    dropped: { "answer check failed": 1 },
  });
});
