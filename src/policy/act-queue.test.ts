import { describe, expect, it } from "vitest";
import { SwirlError } from "../errors/swirl-error.js";
import type { NativeCompletion, NativeGenerateOptions, NativePrompt } from "../native/addon.js";
import { ActQueue } from "./act-queue.js";

const options: NativeGenerateOptions = {
  n: 1,
  temperature: 1,
  topK: 0,
  topP: 1,
  stopTokens: Int32Array.of(2),
  stopStrings: [],
};
const prompt = (token: number, maxNewTokens = 4): NativePrompt => ({
  tokens: Int32Array.of(token),
  seed: BigInt(token),
  maxNewTokens,
});
const completion = (tokens: Int32Array): NativeCompletion => ({
  tokens,
  logprobs: new Float32Array(tokens.length),
  finishReason: "eos",
});
const echo = (prompts: NativePrompt[], n: number) =>
  prompts.map((p) => Array.from({ length: n }, () => completion(p.tokens)));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("ActQueue", () => {
  it("merges what arrives together and while busy, and hands each caller its own completions", async () => {
    const sizes: number[] = [];
    const queue = new ActQueue(async (prompts, { n }) => {
      sizes.push(prompts.length);
      await sleep(5);
      return echo(prompts, n);
    }, 64);
    const first = [1, 2, 3].map((t) => queue.push(prompt(t), options));
    await sleep(2);
    const second = [4, 5].map((t) => queue.push(prompt(t), options));
    const results = await Promise.all([...first, ...second]);
    expect(results.map((r) => r[0]!.tokens[0])).toEqual([1, 2, 3, 4, 5]);
    expect(sizes).toEqual([3, 2]);
  });

  it("lets a whole batch of calls wait on one signal without a warning", async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error) => warnings.push(warning.name);
    process.on("warning", onWarning);
    const queue = new ActQueue(async (prompts, { n }) => echo(prompts, n), 64);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 40 }, (_, t) => queue.push(prompt(t), options, signal)));
    await sleep(5);
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  it("merges no calls with different options, and respects the batch limit", async () => {
    const calls: [number, number][] = [];
    const queue = new ActQueue(async (prompts, { n }) => {
      calls.push([prompts.length, n]);
      return echo(prompts, n);
    }, 8);
    const results = await Promise.all([
      ...[1, 2, 3].map((t) => queue.push(prompt(t), { ...options, n: 4 })),
      queue.push(prompt(9), options),
    ]);
    expect(calls).toEqual([
      [2, 4],
      [1, 4],
      [1, 1],
    ]);
    expect(results.map((r) => r.length)).toEqual([4, 4, 4, 1]);
  });

  it("merges calls that differ in nothing but their token limit, each with its own", async () => {
    const calls: number[][] = [];
    const queue = new ActQueue(async (prompts, { n }) => {
      calls.push(prompts.map(({ maxNewTokens }) => maxNewTokens));
      return echo(prompts, n);
    }, 8);
    const limits = [512, 3, 40, 1, 512, 7];
    const results = await Promise.all(limits.map((limit, t) => queue.push(prompt(t, limit), options)));
    expect(calls).toEqual([limits]);
    expect(results.map((r) => r[0]!.tokens[0])).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("merges the next calls of callers that one batch woke", async () => {
    const sizes: number[] = [];
    const queue = new ActQueue(async (prompts, { n }) => {
      sizes.push(prompts.length);
      return echo(prompts, n);
    }, 64);
    const threeSteps = async (t: number) => {
      for (let step = 0; step < 3; step++) await queue.push(prompt(t), options);
    };
    await Promise.all([1, 2, 3, 4].map(threeSteps));
    expect(sizes).toEqual([4, 4, 4]);
  });

  it("rejects an aborted caller at once without affecting the others; stops the engine when all are gone", async () => {
    let engine: AbortSignal | undefined;
    const queue = new ActQueue(async (prompts, { n }, signal) => {
      engine = signal;
      await sleep(20);
      return echo(prompts, n);
    }, 64);
    const one = new AbortController();
    const two = new AbortController();
    const a = queue.push(prompt(1), options, one.signal);
    const b = queue.push(prompt(2), options, two.signal);
    await sleep(5);
    one.abort();
    await expect(a).rejects.toMatchObject({ code: "ABORTED" });
    expect(engine!.aborted).toBe(false);
    expect((await b)[0]!.tokens[0]).toBe(2);

    const c = queue.push(prompt(3), options, two.signal);
    await sleep(5);
    two.abort();
    await expect(c).rejects.toMatchObject({ code: "ABORTED" });
    expect(engine!.aborted).toBe(true);
  });

  it("fails every caller of a batch with its error, and keeps working", async () => {
    let fail = true;
    const queue = new ActQueue(async (prompts, { n }) => {
      if (fail) throw new SwirlError("MEMORY", "too much");
      return echo(prompts, n);
    }, 64);
    await expect(
      Promise.all([queue.push(prompt(1), options), queue.push(prompt(2), options)]),
    ).rejects.toMatchObject({ code: "MEMORY" });
    fail = false;
    expect(await queue.push(prompt(3), options)).toHaveLength(1);
  });

  it("rejects waiting calls on close, and later ones", async () => {
    const queue = new ActQueue(async (prompts, { n }) => echo(prompts, n), 64);
    const waiting = queue.push(prompt(1), options);
    queue.close(new SwirlError("DISPOSED", "gone"));
    await expect(waiting).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(queue.push(prompt(1), options)).rejects.toMatchObject({ code: "DISPOSED" });
  });
});
