/**
 * A policy, tool, task, matcher or judge of the user's own that throws whatever it likes, or gives what it should not:
 * every outcome is a record or a SwirlError, and no trajectory is lost.
 */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ScriptedPolicy } from "../../tests/support/scripted-policy.js";
import { calculatorTask, evaluate, SwirlError, searchTask, solve, synthesize, tool } from "../index.js";
import type { Policy } from "../policy/policy.js";
import { calculator } from "../tools/calculator/calculator.js";

const question = { id: "q", question: "What is 1 + 1?", answers: ["2"] };
const task = calculatorTask(calculator());
const said = { text: "<answer>2</answer>", finishReason: "stop" } as const;

/** An endpoint-like policy with some methods replaced. */
function policyWith(methods: Record<string, unknown>): Policy {
  const base = new ScriptedPolicy(() => "<answer>2</answer>", { exact: false });
  return Object.assign(Object.create(base) as Policy, {
    act: async () => [said],
    begin: (messages: never[]) => ({ messages }),
    extend: ({ messages }: { messages: never[] }) => ({ messages }),
    dispose: async () => {},
    ...methods,
  });
}

/** The error's code; "raw" for anything but a SwirlError. */
async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "none";
  } catch (error) {
    return SwirlError.isInstance(error) ? error.code : `raw: ${String(error)}`;
  }
}

const THROWN: [string, unknown][] = [
  ["an Error", new TypeError("mine")],
  ["a string", "mine"],
  ["nothing", undefined],
  ["null", null],
  ["an object", { code: "CONFIG" }],
  ["an object without a prototype", Object.create(null)],
  ["a symbol", Symbol("mine")],
];

describe("a policy of the user's own", () => {
  it.each(THROWN)("that rejects with %s fails its trajectory", async (_, thrown) => {
    for (const method of ["act", "begin", "extend"]) {
      const throws = () => {
        throw thrown;
      };
      const act = { act: async () => [{ text: "<math_exp>1+1</math_exp>", finishReason: "stop" }] };
      const policy = policyWith({ ...act, [method]: throws });
      const trajectory = await solve(question, { policy, task });
      expect(trajectory).toMatchObject({
        end: "failed",
        error: expect.stringContaining(`${method}() failed`),
      });
    }
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a text", "<answer>2</answer>"],
    ["no actions", []],
    ["a hole", [null]],
    ["an action without text", [{ finishReason: "stop" }]],
    ["a text that is a number", [{ text: 2, finishReason: "stop" }]],
    ["calls that are none", [{ ...said, toolCalls: [{ name: 1 }] }]],
    ["tokens without log-probs", [{ ...said, tokens: [1, 2] }]],
    ["tokens that are none", [{ ...said, tokens: ["a"], logprobs: [0] }]],
  ])("that gives %s is a CONFIG error", async (_, actions) => {
    expect(
      await codeOf(() => solve(question, { policy: policyWith({ act: async () => actions }), task })),
    ).toBe("CONFIG");
  });

  it.each([undefined, null, 5, {}, { messages: "x" }, { messages: [], tokens: ["a"] }])(
    "whose context is %j is a CONFIG error",
    async (context) => {
      for (const method of ["begin", "extend"]) {
        const act = { act: async () => [{ text: "<math_exp>1+1</math_exp>", finishReason: "stop" }] };
        const policy = policyWith({ ...act, [method]: () => context });
        expect(await codeOf(() => solve(question, { policy, task }))).toBe("CONFIG");
      }
    },
  );

  it("loses no trajectory when it fails now and then", async () => {
    let calls = 0;
    const policy = policyWith({
      act: async () => {
        if (calls++ % 2 === 0) throw "mine";
        return [said];
      },
    });
    const questions = Array.from({ length: 8 }, (_, i) => ({ ...question, id: `q${i}` }));
    const ends = [];
    for await (const { end } of synthesize(questions, { policy, task, samples: 1, concurrency: 1 }))
      ends.push(end);
    expect(ends.sort()).toEqual([
      "answer",
      "answer",
      "answer",
      "answer",
      "failed",
      "failed",
      "failed",
      "failed",
    ]);
    calls = 0;
    const { summary, records } = await evaluate(questions, { policy, task });
    expect(records).toHaveLength(8);
    expect(summary.accuracy.value).toBe(1); // of the four that were answered
  });

  it("that ignores an abort does not hold its stage up", async () => {
    const policy = policyWith({ act: () => new Promise(() => {}) });
    const signal = AbortSignal.timeout(20);
    expect(await codeOf(() => solve(question, { policy, task, signal }))).toBe("ABORTED");
  });
});

describe("a tool of the user's own", () => {
  const call = "<mine>x</mine>";
  const run = async (parts: object) => {
    const mine = tool({
      name: "mine",
      description: "",
      inputSchema: z.object({ q: z.string() }),
      execute: () => "fine",
      ...parts,
    } as never);
    const policy = policyWith({ act: async () => [{ text: call, finishReason: "stop" }] });
    const own = { ...searchTask(mine as never), callLimit: 1 };
    const { steps } = await solve(question, { policy, task: own });
    return steps[0]!.observation!;
  };

  it.each(THROWN)("that throws %s is a tool error", async (_, thrown) => {
    const throws = () => {
      throw thrown;
    };
    for (const part of ["execute", "parse", "format"]) {
      expect((await run({ [part]: throws })).error, part).toBe(true);
    }
    expect((await run({ execute: () => Promise.reject(thrown) })).error).toBe(true);
  });

  it.each([Symbol("x"), () => ""])("that returns %o is a tool error", async (result) => {
    expect((await run({ execute: () => result })).error).toBe(true);
    expect((await run({ format: () => result })).error).toBe(true);
  });

  it("may return a number", async () => {
    expect(await run({ execute: () => 5 })).toMatchObject({ error: false, text: "x -> 5" });
  });
});

describe("a task of the user's own", () => {
  it.each([undefined, null, "text", [], [null], [{ role: "user" }], [{ role: "boss", content: "" }]])(
    "whose prompt is %j is a CONFIG error",
    async (prompt) => {
      const own = { ...task, prompt: () => prompt as never };
      expect(await codeOf(() => solve(question, { policy: policyWith({}), task: own }))).toBe("CONFIG");
    },
  );

  it.each(THROWN)("whose prompt throws %s is a CONFIG error", async (_, thrown) => {
    const own = {
      ...task,
      prompt: () => {
        throw thrown;
      },
    };
    expect(await codeOf(() => solve(question, { policy: policyWith({}), task: own }))).toBe("CONFIG");
  });
});

describe("a matcher or judge of the user's own", () => {
  it.each(THROWN)("that throws %s fails its check", async (_, thrown) => {
    const throws = () => {
      throw thrown;
    };
    const matcher = { id: "mine", match: throws };
    const judge = { id: "mine", judge: throws };
    const { records } = await evaluate([question], { policy: policyWith({}), task, matcher, judge });
    expect(records[0]).toMatchObject({ correct: null });
    expect(records[0]!.error).toBeDefined();
  });
});
