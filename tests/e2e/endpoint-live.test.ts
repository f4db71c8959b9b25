/**
 * A real OpenAI-compatible server, whichever SWIRL_ENDPOINT names (see docs/endpoints.md for how to start one):
 *   SWIRL_ENDPOINT=http://127.0.0.1:8000/v1 SWIRL_ENDPOINT_MODEL=smollm2 npx vitest run tests/e2e/endpoint-live
 * Skipped without it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SwirlError } from "../../src/errors/swirl-error.js";
import { PromptedJudge } from "../../src/judge/prompted-judge.js";
import { EndpointPolicy } from "../../src/policy/endpoint-policy.js";
import { stepView } from "../support/step-view.js";

const baseURL = process.env.SWIRL_ENDPOINT;
const model = process.env.SWIRL_ENDPOINT_MODEL ?? "default";

describe.skipIf(!baseURL)("a real endpoint (SWIRL_ENDPOINT)", { timeout: 300_000 }, () => {
  let policy: EndpointPolicy;
  beforeAll(async () => {
    policy = await EndpointPolicy.connect({ baseURL: baseURL!, model, concurrency: 4, timeoutMs: 240_000 });
    expect(policy.stats.attempts).toBeGreaterThan(0); // the probe
  });
  afterAll(() => policy?.dispose());
  const ask = (content: string) => policy.begin([{ role: "user", content }]);

  it("answers, and counts tokens", async () => {
    const [action] = await policy.act(ask("What is the capital of France?"), {
      maxNewTokens: 24,
      temperature: 0,
    });
    expect(action!.text.trim()).not.toBe("");
    expect(
      await policy.act(ask("What is the capital of France?"), { maxNewTokens: 24, temperature: 0 }),
    ).toEqual([action]);
    expect(policy.stats.promptTokens).toBeGreaterThan(0);
    expect(policy.stats.completionTokens).toBeGreaterThan(0);
  });

  it("gives n different actions", async () => {
    const actions = await policy.act(ask("Invent a name for a ship."), {
      n: 3,
      maxNewTokens: 16,
      temperature: 1.2,
      seed: 11,
    });
    expect(actions).toHaveLength(3);
    expect(new Set(actions.map((action) => action.text)).size).toBeGreaterThan(1);
  });

  it("keeps the stop string that ended an action", async () => {
    const prompt = "Repeat this line exactly, with its tags: <answer>Paris</answer>";
    const actions = await policy.act(ask(prompt), {
      n: 4,
      maxNewTokens: 40,
      temperature: 0.7,
      stop: ["</answer>"],
      seed: 3,
    });
    for (const { text, finishReason } of actions) {
      expect(text.endsWith("</answer>")).toBe(finishReason === "stop");
      if (text.includes("<answer>")) expect(finishReason).not.toBe("eos");
    }
  });

  it("ends by length where it must", async () => {
    const [action] = await policy.act(ask("Count from one to a hundred, in words."), {
      maxNewTokens: 5,
      temperature: 0,
    });
    expect(action!.finishReason).toBe("length");
  });

  it("continues a conversation, and has the earlier turns in its prompt", async () => {
    const context = ask("My cat is called Mira. Say hello to her.");
    const [action] = await policy.act(context, { maxNewTokens: 24, temperature: 0 });
    const next = policy.extend(context, action!, {
      role: "user",
      content: "What is my cat called? One word.",
    });
    const before = policy.stats.promptTokens;
    await policy.act(ask("What is my cat called? One word."), { maxNewTokens: 4, temperature: 0 });
    const alone = policy.stats.promptTokens - before;
    const [reply] = await policy.act(next, { maxNewTokens: 12, temperature: 0 });
    expect(reply!.text.trim()).not.toBe("");
    expect(policy.stats.promptTokens - before - alone).toBeGreaterThan(alone + 10);
  });

  it("is judged with, from text and, where the server gives them, from log-probs", async () => {
    const text = await new PromptedJudge({ policy, maxNewTokens: 120, retries: 1 }).judge(stepView());
    expect(["ok", "failed"]).toContain(text.status);
    const scored = new PromptedJudge({ policy, maxNewTokens: 120, retries: 1, mode: "logprobs" }).judge(
      stepView(),
    );
    const outcome = await scored.catch((error: unknown) => error);
    if (SwirlError.isInstance(outcome)) expect(outcome.code).toBe("CONFIG");
    else expect(["ok", "failed"]).toContain((outcome as { status: string }).status);
  });

  it("says what a prompt past the context is", async () => {
    const long = ask("word ".repeat(3 * Math.min(policy.contextLength, 40_000)));
    await expect(policy.act(long, { maxNewTokens: 4 })).rejects.toMatchObject({ code: "ENDPOINT" });
  });

  it("stops waiting on abort", async () => {
    const controller = new AbortController();
    const pending = policy.act(ask("Write a long story."), { maxNewTokens: 400, signal: controller.signal });
    setTimeout(() => controller.abort(), 300);
    await expect(pending).rejects.toMatchObject({ code: "ABORTED" });
  });
});
