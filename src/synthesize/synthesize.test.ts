import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { type Script, ScriptedPolicy, turnsTaken } from "../../tests/support/scripted-policy.js";
import { ScriptedServer } from "../../tests/support/scripted-server.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { SwirlError } from "../errors/swirl-error.js";
import { EndpointPolicy } from "../policy/endpoint-policy.js";
import { tool } from "../tools/tool.js";
import { readTrajectories } from "../trajectory/store.js";
import { type Trajectory, trajectorySchema } from "../trajectory/trajectory.js";
import { type SynthesizeOptions, type SynthesizeProgress, synthesize } from "./synthesize.js";
import { defineTask } from "./task.js";

let dir: string;
beforeEach(() => {
  dir = temporaryFolder();
});

const echo = tool({
  name: "echo",
  description: "Says it again.",
  inputSchema: z.object({ text: z.string() }),
  execute: ({ text }) => text,
});
const matcher = { id: "any", match: () => ({ status: "ok" as const, correct: true }) };
const task = defineTask({ name: "echo", tools: [echo], callLimit: 3, matcher });
const questions = Array.from({ length: 6 }, (_, i) => ({
  id: `q${i}`,
  question: `Number ${i}?`,
  answers: [`${i}`],
}));

const script: Script = (context) =>
  turnsTaken(context) < 2
    ? ["a", "b", "c", "d", "e"].map((letter) => `<echo>${letter}${turnsTaken(context)}</echo>`)
    : ["<answer>1</answer>", "<answer>2</answer>", "hm"];
const policy = () => new ScriptedPolicy(script);

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

/** A hash of everything but the clock, for each, in a fixed order. */
function content(trajectories: Trajectory[]): string[] {
  return trajectories
    .map((t) =>
      JSON.stringify(trajectorySchema.parse(t), (key, value) => (key === "milliseconds" ? 0 : value)),
    )
    .map((text) => createHash("sha256").update(text).digest("hex"))
    .sort();
}

const options = (more: Partial<SynthesizeOptions> = {}): SynthesizeOptions => ({
  policy: policy(),
  task,
  samples: 3,
  seed: 5,
  ...more,
});

test("content depends on the seed, not on the concurrency", async () => {
  const one = await collect(synthesize(questions, options({ concurrency: 1 })));
  const many = policy();
  const eight = await collect(synthesize(questions, options({ policy: many, concurrency: 8 })));
  expect(many.maxInFlight).toBe(8);
  expect(one).toHaveLength(18);
  expect(content(eight)).toEqual(content(one));
  expect(new Set(one.map((t) => JSON.stringify(t.steps.map((step) => step.text)))).size).toBeGreaterThan(6);
  expect(content(await collect(synthesize(questions, options({ seed: 6 }))))).not.toEqual(content(one));
});

test("a run stopped anywhere resumes to the same file content, each id once", async () => {
  const whole = content(await collect(synthesize(questions, options())));
  for (const stopAfter of [0, 1, 7, 17]) {
    const output = join(dir, `${stopAfter}.jsonl`);
    let seen = 0;
    for await (const _ of synthesize(questions, options({ output, concurrency: 4 })))
      if (++seen > stopAfter) break;
    await fs.appendFile(output, '{"version":1,"id":"q5/2","ques'); // killed while writing
    const progress: SynthesizeProgress[] = [];
    const rest = await collect(
      synthesize(questions, options({ output, onProgress: (event) => progress.push(event) })),
    );
    expect(rest).toHaveLength(18 - stopAfter - 1);
    expect(progress.some((event) => event.notice?.includes("was moved to"))).toBe(true);
    expect(progress.at(-1)).toMatchObject({ done: 18, total: 18, skipped: stopAfter + 1 });
    expect(content(await collect(readTrajectories(output)))).toEqual(whole);
  }
});

test("a file cut at any byte, as a kill leaves it, resumes to the same content", async () => {
  const output = join(dir, "t.jsonl");
  const few = questions.slice(0, 2);
  const whole = content(await collect(synthesize(few, options({ output }))));
  const bytes = await fs.readFile(output);
  for (let i = 0; i < 60; i++) {
    const file = join(dir, `cut${i}.jsonl`);
    await fs.writeFile(file, bytes.subarray(0, Math.floor((bytes.length * ((i * 37) % 60)) / 59)));
    await collect(synthesize(few, options({ output: file })));
    expect(content(await collect(readTrajectories(file)))).toEqual(whole);
  }
});

test("failed trajectories are records, and are made again on resume", async () => {
  const output = join(dir, "t.jsonl");
  let down = true;
  const flaky: Script = (context) => {
    if (down && context.messages[0]!.content.includes("Number 3?")) throw new SwirlError("ENDPOINT", "503");
    return script(context);
  };
  const run = () =>
    collect(synthesize(questions, options({ output, policy: new ScriptedPolicy(flaky), concurrency: 1 })));
  const first = await run();
  expect(first.filter((t) => t.end === "failed").map((t) => t.error)).toEqual(["503", "503", "503"]);
  down = false;
  expect((await run()).map((t) => t.id)).toEqual(["q3/0", "q3/1", "q3/2"]);
  const all = await collect(readTrajectories(output));
  expect(all).toHaveLength(18);
  expect(all.every((t) => t.end !== "failed")).toBe(true);
});

test("an aborted reply is no action: its trajectory failed, and is made again on resume", async () => {
  let aborts = true;
  await using server = await ScriptedServer.start(() => ({
    kind: "choices",
    choices: [{ message: { content: "<answer>1" }, finish_reason: aborts ? "abort" : "stop" }],
  }));
  const connection = { baseURL: server.baseURL, model: "m", probe: false, maxRetries: 1, retryBaseMs: 1 };
  await using endpoint = await EndpointPolicy.connect(connection);
  const file = join(dir, "aborted.jsonl");
  const run = () => collect(synthesize(questions, options({ policy: endpoint, samples: 1, output: file })));
  for (const trajectory of await run())
    expect(trajectory).toMatchObject({
      end: "failed",
      steps: [],
      error: expect.stringContaining("unfinished"),
    });
  aborts = false;
  expect((await run()).map(({ end, answer }) => [end, answer])).toEqual(questions.map(() => ["answer", "1"]));
  expect(await collect(readTrajectories(file))).toHaveLength(questions.length);
});

test("a policy of one's own that names no way an action ends fails its trajectory", async () => {
  const partial = new ScriptedPolicy(() => ["<answer>1</answer>"]);
  const act = partial.act.bind(partial);
  partial.act = async (...given) =>
    (await act(...given)).map((action) => ({ ...action, finishReason: "abort" as "eos" }));
  const [first] = await collect(synthesize(questions.slice(0, 1), options({ policy: partial, samples: 1 })));
  expect(first).toMatchObject({ end: "failed", error: expect.stringContaining('finishReason is "abort"') });
});

test("a policy that stays down ends the stage with ENDPOINT", async () => {
  const down: Script = () => {
    throw new SwirlError("ENDPOINT", "connection refused");
  };
  const run = collect(
    synthesize(questions, options({ policy: new ScriptedPolicy(down), maxFailuresInARow: 4 })),
  );
  await expect(run).rejects.toMatchObject({
    code: "ENDPOINT",
    message: /4 trajectories in a row.*connection refused/,
  });
});

test("an output file of another run is refused, and left as it is", async () => {
  const output = join(dir, "t.jsonl");
  await collect(synthesize(questions, options({ output })));
  const before = await fs.readFile(output);
  const resume = (more: Partial<SynthesizeOptions>, list = questions) =>
    collect(synthesize(list, options({ output, ...more })));
  await expect(resume({ seed: 9 })).rejects.toMatchObject({ code: "RECORD", message: /a seed other than 9/ });
  await expect(resume({ policy: new ScriptedPolicy(script, { id: "other" }) })).rejects.toThrow(
    /policy is scripted/,
  );
  await expect(resume({ callLimit: 9 })).rejects.toThrow(/callLimit is 3/);
  await expect(resume({ format: "chat-template" })).rejects.toThrow(/action format/);
  await expect(resume({}, [{ ...questions[0]!, question: "Else?" }])).rejects.toThrow(/a different text/);
  expect(await fs.readFile(output)).toEqual(before);
});

test("an output file has one run at a time, until it ends or is left", async () => {
  const output = join(dir, "out.jsonl");
  const first = synthesize(questions, options({ output }));
  await first.next();
  await expect(collect(synthesize(questions, options({ output })))).rejects.toMatchObject({
    code: "CONFIG",
    message: expect.stringContaining(`${output} is in use by this process`),
    remedy: expect.stringContaining("use another file"),
  });
  await first.return();
  await collect(synthesize(questions, options({ output })));
  expect(await collect(readTrajectories(output))).toHaveLength(18);
  expect((await fs.readdir(dir)).sort()).toEqual(["out.jsonl"]);
});

test("abort stops with ABORTED and keeps what was finished", async () => {
  const output = join(dir, "t.jsonl");
  const controller = new AbortController();
  const run = async () => {
    let seen = 0;
    for await (const _ of synthesize(questions, options({ output, signal: controller.signal }))) {
      if (++seen === 5) controller.abort();
    }
  };
  await expect(run()).rejects.toMatchObject({ code: "ABORTED" });
  expect(await collect(readTrajectories(output))).toHaveLength(5);
});

test("bad options are named at the call", () => {
  const bad = (more: object) => () => synthesize(questions, { ...options(), ...more } as SynthesizeOptions);
  expect(bad({ temprature: 1 })).toThrow(/temprature: unknown option \(did you mean temperature\?\)/);
  expect(bad({ samples: 0 })).toThrow(/samples: .*got 0/);
  expect(bad({ samples: 2, temperature: 0 })).toThrow(/would all be the same/);
  expect(bad({ policy: {} })).toThrow(/policy: must be a Policy/);
  expect(bad({ task: "search" })).toThrow(/task: must be a Task/);
});

test("what is no question is refused, a text of answers not taken apart", async () => {
  const given = [{ id: "q", question: "?", answers: "72" }] as never;
  await expect(collect(synthesize(given, { policy: policy(), task }))).rejects.toMatchObject({
    code: "INPUT",
  });
});

test("two questions with one id are refused", async () => {
  const twice = [questions[0]!, questions[0]!];
  await expect(collect(synthesize(twice, options()))).rejects.toThrow(/"q0" appears twice/);
});

test("no questions at all is an error, not an empty success", async () => {
  await expect(collect(synthesize([], options()))).rejects.toThrow(/there are no questions/);
});
