import { describe, expect, it } from "vitest";
import type { Step, Trajectory } from "../trajectory/trajectory.js";
import type { Judge } from "./judge.js";
import { judgeSteps } from "./judge-steps.js";
import type { VerdictCounts } from "./judged-trajectory.js";

function trajectory(id: number, steps: number): Trajectory {
  const one = (i: number): Step => ({
    keep: 0,
    append: [],
    action: [],
    logprobs: [],
    text: `step ${id}.${i}`,
    finishReason: "stop",
    kind: "call",
    call: { name: "search", input: `${id}.${i}` },
    observation: { text: "found", error: false, milliseconds: 0 },
    milliseconds: 0,
  });
  return {
    version: 1,
    id: `${id}/0`,
    questionId: String(id),
    question: "Q",
    gold: ["secret"],
    sample: 0,
    seed: 0,
    policy: "p",
    tools: ["search"],
    format: { kind: "tags", callTags: { search: "search_query" }, answerTag: "answer" },
    callLimit: 5,
    prompt: [],
    steps: Array.from({ length: steps }, (_, i) => one(i)),
    end: steps === 0 ? "failed" : "limit",
    milliseconds: 0,
  };
}

async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of iterable) all.push(one);
  return all;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("judgeSteps", () => {
  it("gives one verdict a step, in order, within the concurrency, and counts", async () => {
    let open = 0;
    let most = 0;
    const judge: Judge = {
      id: "j",
      async judge(view) {
        most = Math.max(most, ++open);
        expect(JSON.stringify(view)).not.toContain("secret");
        const [id, i] = view.call!.input.split(".").map(Number) as [number, number];
        await sleep((7 - id) * 2);
        open--;
        if (i === 2) throw new Error("lost");
        return { status: "ok", good: i === 0, score: Number(i === 0), votes: 1 };
      },
    };
    const told: VerdictCounts[] = [];
    const trajectories = [1, 2, 3, 4, 5, 6].map((id) => trajectory(id, id % 3 === 0 ? 0 : 3));
    const judged = await collect(
      judgeSteps(trajectories, { judge, concurrency: 3, onProgress: (c) => told.push(c) }),
    );
    expect(judged.map((j) => j.trajectory.id)).toEqual(trajectories.map((t) => t.id));
    expect(judged[0]!.verdicts).toEqual([
      { status: "ok", good: true, score: 1, votes: 1 },
      { status: "ok", good: false, score: 0, votes: 1 },
      { status: "failed", error: "lost" },
    ]);
    expect(judged[2]!.verdicts).toEqual([]);
    expect(most).toBe(3);
    expect(told.at(-1)).toEqual({
      stage: "judge",
      done: 6,
      total: 6,
      trajectories: 6,
      steps: 12,
      good: 4,
      bad: 4,
      failed: 4,
    });
  });

  it("pulls its source lazily", async () => {
    let pulled = 0;
    async function* endless() {
      for (;;) yield trajectory(++pulled, 1);
    }
    const judge: Judge = { id: "j", judge: async () => ({ status: "ok", good: true, score: 1, votes: 1 }) };
    for await (const _ of judgeSteps(endless(), { judge, concurrency: 2 })) if (pulled >= 10) break;
    expect(pulled).toBeLessThan(20);
  });

  it("ends when the judge is down, and on abort", async () => {
    const down: Judge = { id: "down", judge: async () => ({ status: "failed", error: "refused" }) };
    const all = [trajectory(1, 3), trajectory(2, 3)];
    await expect(
      collect(judgeSteps(all, { judge: down, concurrency: 1, maxFailuresInARow: 4 })),
    ).rejects.toThrow(/the judge down failed 4 times in a row; the last: refused/);
    const hanging: Judge = {
      id: "h",
      judge: (_, o) =>
        new Promise((_, reject) => o!.signal!.addEventListener("abort", () => reject(new Error("x")))),
    };
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    await expect(
      collect(judgeSteps(all, { judge: hanging, signal: controller.signal })),
    ).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("ends on abort although the judge ignores its signal", async () => {
    const hanging: Judge = { id: "h", judge: () => new Promise(() => {}) };
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    const stopped = collect(judgeSteps([trajectory(1, 3)], { judge: hanging, signal: controller.signal }));
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("refuses what is no trajectory, a judge without an id, and passes on a callback that throws", async () => {
    const judge: Judge = { id: "j", judge: async () => ({ status: "ok", good: true, score: 1, votes: 1 }) };
    const given = [{ trajectory: trajectory(1, 1) }] as unknown as Trajectory[];
    await expect(collect(judgeSteps(given, { judge }))).rejects.toMatchObject({ code: "RECORD" });
    await expect(collect(judgeSteps([], { judge: { ...judge, id: undefined } as never }))).rejects.toThrow(
      /judge: must be a Judge/,
    );
    const onProgress = () => {
      throw new Error("no bar");
    };
    await expect(collect(judgeSteps([trajectory(1, 1)], { judge, onProgress }))).rejects.toMatchObject({
      code: "CONFIG",
      message: expect.stringContaining("onProgress threw: no bar"),
    });
  });

  it("refuses a judge that is none, and unknown options", async () => {
    await expect(collect(judgeSteps([], { judge: {} as Judge }))).rejects.toThrow(/judge: must be a Judge/);
    const judge: Judge = { id: "j", judge: async () => ({ status: "failed", error: "" }) };
    await expect(collect(judgeSteps([], { judge, concurency: 2 } as never))).rejects.toThrow(
      /did you mean concurrency/,
    );
  });
});
