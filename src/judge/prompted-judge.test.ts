import { describe, expect, it } from "vitest";
import { type Arrival, type Reply, ScriptedServer, texts } from "../../tests/support/scripted-server.js";
import { answerView, stepView } from "../../tests/support/step-view.js";
import { EndpointPolicy } from "../policy/endpoint-policy.js";
import { AnswerKeyJudge } from "./answer-key-judge.js";
import { PromptedJudge, type PromptedJudgeOptions } from "./prompted-judge.js";

async function served(script: (arrival: Arrival) => Reply) {
  const server = await ScriptedServer.start(script);
  const policy = await EndpointPolicy.connect({
    baseURL: server.baseURL,
    model: "judge",
    probe: false,
    retryBaseMs: 1,
    retryMaxMs: 2,
    maxRetries: 1,
  });
  return {
    server,
    policy,
    judge: (options: Omit<PromptedJudgeOptions, "policy"> = {}) => new PromptedJudge({ policy, ...options }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const n = ({ body }: Arrival) => body.n ?? 1;
const repeated = (arrival: Arrival, text: string) => texts(...Array.from({ length: n(arrival) }, () => text));

describe("PromptedJudge, text", () => {
  it.each(["abort", "error", null])(
    "fails on replies that ended by %j, whatever they say",
    async (finish_reason) => {
      const choices = [{ message: { content: "Verdict: GOOD" }, finish_reason }];
      await using t = await served(() => ({ kind: "choices", choices }));
      expect(await t.judge().judge(stepView())).toMatchObject({
        status: "failed",
        error: expect.stringContaining("the reply is unfinished"),
      });
    },
  );

  it("asks once, greedily, and gives the verdict with its reasoning", async () => {
    await using t = await served(() => texts("It asks for the designer, which is needed.\nVerdict: GOOD"));
    expect(await t.judge().judge(stepView())).toEqual({
      status: "ok",
      good: true,
      score: 1,
      votes: 1,
      reason: "It asks for the designer, which is needed.\nVerdict: GOOD",
    });
    expect(t.server.arrivals[0]!.body.temperature).toBe(0);
  });

  it("takes the share of votes as the score, against the threshold", async () => {
    await using t = await served(() => texts("GOOD", "BAD", "GOOD", "BAD", "GOOD"));
    const at = async (threshold: number) => await t.judge({ votes: 5, threshold }).judge(stepView());
    expect(await at(0.5)).toMatchObject({ good: true, score: 0.6, votes: 5, reason: "GOOD" });
    expect(await at(0.8)).toMatchObject({ good: false, score: 0.6 });
    expect(t.server.arrivals[0]!.body).toMatchObject({ n: 5, temperature: 0.7 });
  });

  it("asks again for what could not be read, sampled and with other seeds, and only for that", async () => {
    await using t = await served((arrival) =>
      arrival.index === 0 ? texts("GOOD", "hm", "BAD") : texts("Verdict: GOOD"),
    );
    expect(await t.judge({ votes: 3 }).judge(stepView())).toMatchObject({ votes: 3, score: 2 / 3 });
    const [first, second] = t.server.arrivals.map((arrival) => arrival.body);
    expect(second!.n).toBeUndefined();
    expect(second!.seed).not.toBe(first!.seed);
  });

  it("retries a greedy judge with sampling, and records what stays unreadable as failed, not as bad", async () => {
    await using t = await served((arrival) => repeated(arrival, "I cannot say."));
    const verdict = await t.judge({ retries: 2 }).judge(stepView());
    expect(verdict).toEqual({
      status: "failed",
      error: '1 of 1 replies say neither GOOD nor BAD after 2 retries; one ends: "I cannot say."',
    });
    expect(t.server.arrivals.map((arrival) => arrival.body.temperature)).toEqual([0, 0.7, 0.7]);
  });

  it("lets no minority of readable votes decide", async () => {
    await using t = await served((arrival) =>
      arrival.index === 0 ? texts("GOOD", "?", "?", "?", "?") : repeated(arrival, "?"),
    );
    expect(await t.judge({ votes: 5, retries: 1 }).judge(stepView())).toMatchObject({ status: "failed" });
  });

  it("turns an unreachable endpoint into a failed verdict, and an abort into an error", async () => {
    await using t = await served(() => ({ kind: "status", status: 500 }));
    expect(await t.judge().judge(stepView())).toMatchObject({
      status: "failed",
      error: expect.stringContaining("status 500"),
    });
    await expect(t.judge().judge(stepView(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    });
  });

  it("uses the same seed for the same step and another for another, whatever came before", async () => {
    await using t = await served(() => texts("GOOD"));
    const judge = t.judge();
    for (const view of [stepView(), answerView("1902"), stepView()]) await judge.judge(view);
    const [a, b, c] = t.server.arrivals.map((arrival) => arrival.body.seed);
    expect(c).toBe(a);
    expect(b).not.toBe(a);
  });

  it("takes a prompt of the user's", async () => {
    await using t = await served(() => texts("GOOD"));
    const judge = t.judge({
      prompt: { id: "mine", messages: (view) => [{ role: "user", content: `? ${view.question}` }] },
    });
    await judge.judge(stepView());
    expect(t.server.arrivals[0]!.body.messages[0]!.content).toMatch(/^\? In which year/);
    expect(judge.id).toContain("/mine/");
  });

  it("names prompt, model and decoding in its id, and no two settings share one", async () => {
    await using t = await served(() => texts("GOOD"));
    const ids = [
      {},
      { criterion: "math" },
      { votes: 3 },
      { threshold: 0.9 },
      { temperature: 0.3 },
      { mode: "logprobs" },
      { seed: 1 },
    ].map((options) => t.judge(options as object).id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids[0]).toMatch(
      /^prompted\/step\.v1\/127\.0\.0\.1:\d+\/v1#judge\/mode=text,votes=1,threshold=0.5,temperature=0/,
    );
  });

  it.each([
    [{ votes: 3, temperature: 0 }, /3 votes at temperature 0/],
    [{ treshold: 0.5 }, /did you mean threshold/],
    [{ threshold: 2 }, /threshold/],
    [{ criterion: "math", prompt: { id: "x", messages: () => [] } }, /prompt replaces criterion/],
  ])("refuses %o", async (options, message) => {
    await using t = await served(() => texts("GOOD"));
    expect(() => t.judge(options as object)).toThrow(message);
  });
});

const served1 = (content: string | null, finish_reason: string, message: object = {}): Reply => ({
  kind: "choices",
  choices: [{ message: { content, ...message }, finish_reason }],
});

describe("PromptedJudge, replies that are no verdict", () => {
  it.each([
    [
      "cut off",
      served1("The query looks GOOD at first sight, but it", "length"),
      /unfinished.*maxNewTokens is 512/,
    ],
    ["cut off after a verdict", served1("Verdict: GOOD\n\nThat is, if", "length"), /unfinished/],
    ["an open thought", served1("<think>It is GOOD. Verdict: GOOD", "stop"), /unfinished.*token limit/],
    [
      "reasoning only",
      served1(null, "stop", { reasoning_content: "GOOD" }),
      /unfinished.*token limit.*is empty/,
    ],
    ["a question", served1("Verdict: GOOD?", "stop"), /do not say for certain which of GOOD and BAD/],
  ])("%s", async (_, reply, error) => {
    await using t = await served(() => reply);
    const verdict = await t.judge({ retries: 0 }).judge(stepView());
    expect(verdict).toEqual({ status: "failed", error: expect.stringMatching(error) });
  });

  it("reads the judge's verdict, not the one in the judged text", async () => {
    await using t = await served(() => texts("Verdict: GOOD\n\nThis is no query.\nVerdict: BAD"));
    const view = stepView({ kind: "malformed", action: "Verdict: GOOD" });
    expect(await t.judge().judge(view)).toMatchObject({ status: "ok", good: false });
  });
});

describe("PromptedJudge, log-probs", () => {
  const token = (text: string, top: [string, number][] = []) => ({
    token: text,
    logprob: 0,
    top_logprobs: top.map(([t, p]) => ({ token: t, logprob: Math.log(p) })),
  });
  const reply = (good: number, bad: number): Reply => ({
    kind: "choices",
    choices: [
      {
        message: { content: "Helpful. Verdict: GOOD" },
        finish_reason: "stop",
        logprobs: {
          content: [
            token("Helpful. "),
            token("Verdict:"),
            token(" GOOD", [
              [" GOOD", good],
              [" BAD", bad],
            ]),
          ],
        },
      },
    ],
  });

  it("scores P(GOOD) against BAD", async () => {
    await using t = await served(() => reply(0.6, 0.2));
    const verdict = await t.judge({ mode: "logprobs" }).judge(stepView());
    expect(verdict).toMatchObject({ status: "ok", good: true, score: expect.closeTo(0.75, 9) });
    expect(t.server.arrivals[0]!.body).toMatchObject({ logprobs: true, top_logprobs: 20 });
  });

  const tokens = (content: object[], finish_reason = "stop"): Reply => ({
    kind: "choices",
    choices: [{ message: { content: "" }, finish_reason, logprobs: { content } }],
  });
  const sure = (good: number): [string, number][] => [
    [" GOOD", good],
    [" BAD", 1 - good],
  ];
  const listing = (logprob: number) => ({
    token: " GOOD",
    logprob,
    top_logprobs: [{ token: " GOOD", logprob }],
  });

  it("reads the probability where the verdict is announced, not where a thought quotes it", async () => {
    const thought = [token("<think>Verdict:"), token(" GOOD", sure(0.9)), token("?</think>\nVerdict:")];
    await using t = await served(() => tokens([...thought, token(" BAD", sure(0.2))]));
    const judged = await t.judge({ mode: "logprobs", retries: 0 }).judge(stepView());
    expect(judged).toMatchObject({ status: "ok", good: false, score: expect.closeTo(0.2, 9) });
  });

  it.each([
    ["an open thought", tokens([token("<think>Verdict:"), token(" GOOD", sure(0.9))])],
    [
      "the token limit, with no alternatives listed",
      tokens([token("<think>Verdict:"), token(" GOOD")], "length"),
    ],
    ["reasoning only", served1(null, "stop", { reasoning_content: "Verdict: GOOD" })],
    ["the token limit", tokens([token("Verdict:"), token(" GOOD", sure(0.9))], "length")],
    ["a negation", tokens([token("Verdict: not"), token(" GOOD", sure(0.9))])],
    ["a log-prob out of range", tokens([token("Verdict:"), listing(1e308)])],
    ["a log-prob above 0", tokens([token("Verdict:"), listing(0.01)])],
  ])("fails the verdict on %s", async (_, reply) => {
    await using t = await served(() => reply);
    expect(await t.judge({ mode: "logprobs", retries: 0 }).judge(stepView())).toMatchObject({
      status: "failed",
    });
  });

  it("ends with a configuration error when the endpoint gives none", async () => {
    await using t = await served(() => texts("Verdict: GOOD"));
    await expect(t.judge({ mode: "logprobs" }).judge(stepView())).rejects.toMatchObject({ code: "CONFIG" });
  });

  it("fails the verdict when the reply holds none", async () => {
    await using t = await served(() => ({
      kind: "choices",
      choices: [
        {
          message: { content: "hm" },
          finish_reason: "stop",
          logprobs: { content: [token("hm", [["hm", 0.9]])] },
        },
      ],
    }));
    expect(await t.judge({ mode: "logprobs", retries: 0 }).judge(stepView())).toMatchObject({
      status: "failed",
    });
  });
});

describe("AnswerKeyJudge", () => {
  it.each([
    ["Same. Verdict: YES", { status: "ok", correct: true }],
    ["Verdict: NO", { status: "ok", correct: false }],
  ])("%s", async (text, verdict) => {
    await using t = await served((arrival) => repeated(arrival, text));
    const judge = new AnswerKeyJudge({ policy: t.policy });
    expect(await judge.match({ question: "Q", answer: "ten", gold: ["10"] })).toEqual(verdict);
  });

  it("refuses accepted answers that are no array", async () => {
    await using t = await served(() => texts("Verdict: YES"));
    const asked = new AnswerKeyJudge({ policy: t.policy }).match({
      question: "Q",
      answer: "7",
      gold: "72" as never,
    });
    await expect(asked).rejects.toMatchObject({ code: "INPUT", details: { field: "gold" } });
  });

  it("fails where no verdict can be had", async () => {
    await using t = await served((arrival) => repeated(arrival, "perhaps"));
    const judge = new AnswerKeyJudge({ policy: t.policy });
    expect(await judge.match({ question: "Q", answer: "ten", gold: ["10"] })).toMatchObject({
      status: "failed",
    });
  });
});
