import { describe, expect, it } from "vitest";
import { afterLead } from "./choice-scorer.js";
import { choiceLogprobs, restoreStop } from "./endpoint-reply.js";

const stops = ["</search_query>", "</answer>"];
const reply = (text: string, more: { finish?: "length"; stoppedBy?: string | number } = {}) => ({
  text,
  finish: "stop" as const,
  stoppedBy: undefined,
  ...more,
});

describe("restoreStop", () => {
  it.each([
    [
      "closes the tag left open",
      reply("I look. <search_query>Cher"),
      "I look. <search_query>Cher</search_query>",
      true,
    ],
    [
      "closes the last of several",
      reply("<search_query>a</search_query <answer>b"),
      "<search_query>a</search_query <answer>b</answer>",
      true,
    ],
    ["adds nothing when no tag is open", reply("I do not know."), "I do not know.", false],
    [
      "adds nothing to a reply truncated at the token limit",
      reply("<answer>Pa", { finish: "length" }),
      "<answer>Pa",
      false,
    ],
    [
      "cuts after a stop string the server kept",
      reply("<answer>x</answer> and more"),
      "<answer>x</answer>",
      true,
    ],
    [
      "cuts at the earliest",
      reply("<answer>x</answer><search_query>y</search_query>"),
      "<answer>x</answer>",
      true,
    ],
    ["believes a named stop (vLLM)", reply("a", { stoppedBy: "</answer>" }), "a</answer>", true],
    ["believes a named end of turn", reply("<answer>a", { stoppedBy: 128009 }), "<answer>a", false],
    ["believes matched_stop (SGLang)", reply("b", { stoppedBy: "</answer>" }), "b</answer>", true],
  ])("%s", (_, choice, text, stopped) => {
    expect(restoreStop(choice, stops)).toEqual({ text, stopped });
  });

  it("restores no stop string that was not sent, and truncates all the same", () => {
    const text = "<answer>x</answer> and more";
    expect(restoreStop(reply("<answer>x"), stops, false)).toEqual({ text: "<answer>x", stopped: false });
    expect(restoreStop(reply(text), stops, false)).toEqual({ text: "<answer>x</answer>", stopped: true });
  });

  it("does not guess when a stop string is not a tag", () => {
    expect(restoreStop(reply("line"), ["\n\n"])).toEqual({ text: "line", stopped: false });
  });
});

describe("choiceLogprobs", () => {
  const at = (token: string, top: [string, number][] = []) => ({
    token,
    logprob: -0.1,
    alternatives: top.map(([t, p]) => ({ token: t, logprob: Math.log(p) as number | undefined })),
  });

  it("sums the spellings of each choice at its place", () => {
    const top: [string, number][] = [
      [" GOOD", 0.4],
      ["GOOD", 0.1],
      [" Good", 0.1],
      [" G", 0.1],
      [" BAD", 0.2],
      [" BADGE", 0.05],
      [" maybe", 0.05],
    ];
    const tokens = [at("a GOOD start. "), at("Verdict:"), at(" GOOD", top), at(" not BAD")];
    const result = choiceLogprobs(tokens, "a GOOD start. Verdict: ".length, ["GOOD", "BAD"])!;
    expect(result.logprobs.map(Math.exp)).toEqual([expect.closeTo(0.7, 9), expect.closeTo(0.2, 9)]);
    expect(result.text).toBe("a GOOD start. Verdict: ");
  });

  it("handles a choice in several tokens and behind a prefix", () => {
    const tokens = [
      at("Verdict: "),
      at("**G", [
        ["**G", 0.6],
        ["**B", 0.3],
        ["G", 0.1],
      ]),
      at("OOD**"),
    ];
    const result = choiceLogprobs(tokens, "Verdict: **".length, ["GOOD", "BAD"])!;
    expect(result.logprobs.map(Math.exp)).toEqual([expect.closeTo(0.6, 9), expect.closeTo(0.3, 9)]);
    expect(choiceLogprobs([at("hm")], 5, ["GOOD", "BAD"])).toBeUndefined();
  });

  it("accepts a sum of probabilities that rounding put above 1", () => {
    const spellings = {
      token: "GOOD",
      logprob: 0,
      alternatives: [0, -20].map((logprob) => ({ token: "GOOD", logprob })),
    };
    expect(choiceLogprobs([spellings], 0, ["GOOD", "BAD"])!.logprobs[0]).toBe(0);
  });

  it.each([
    ["null on a word that is no choice", [" GOOD", -0.2], [" BAD", -1.8], [" x", undefined], true],
    ["null on a choice", [" GOOD", -0.2], [" BAD", undefined], [" x", -3], false],
    ["far above 0 on a choice", [" GOOD", 1e308], [" BAD", -1.8], [" x", -3], false],
    ["above 0 on a choice", [" GOOD", -0.2], [" bad", 0.5], [" x", -3], false],
    ["NaN on a choice", [" GOOD", -0.2], [" BAD", Number.NaN], [" x", -3], false],
  ] as const)("with a log-prob that is %s", (_, good, bad, other, read) => {
    const alternatives = [good, bad, other].map(([token, logprob]) => ({ token, logprob }));
    const tokens = [at("Verdict:"), { token: " GOOD", logprob: -0.2, alternatives }];
    const scored = () => choiceLogprobs(tokens, "Verdict: ".length, ["GOOD", "BAD"])?.logprobs;
    if (read) expect(scored()).toEqual([-0.2, -1.8].map((value) => expect.closeTo(value, 9)));
    else expect(scored).toThrow(/the reply's log-prob of .* is/);
  });

  it("refuses to compare choices where the server lists no alternatives", () => {
    const tokens = [at("Verdict:", [["Verdict:", 0.9]]), at(" GOOD")];
    expect(() => choiceLogprobs(tokens, "Verdict: ".length, ["GOOD", "BAD"])).toThrow(
      /lists no alternatives/,
    );
  });
});

it("afterLead finds the first choice after the last lead, or the last one without a lead", () => {
  const choices = ["GOOD", "BAD"];
  expect(afterLead("a GOOD start. Verdict: BAD, not GOOD", "Verdict:", choices)).toBe(23);
  expect(afterLead("BAD? No, GOOD", "Verdict:", choices)).toBe(9);
  expect(afterLead("hm", "Verdict:", choices)).toBeUndefined();
});
