import { describe, expect, it } from "vitest";
import { endsInThought, maskThoughts, thoughtSpans, withoutThoughts } from "./thought.js";

describe("withoutThoughts", () => {
  it.each([
    ["plain words", "plain words", false],
    ["<think>GOOD?</think>\nBAD", "BAD", false],
    ["a <think>b</think> c <thinking>d</thinking> e", "a  c  e", false],
    ["the prompt opened it</think> said", "said", false],
    ["<think>one <think> quoted</think> of two</think> said", "said", false],
    ["said <think>and then", "said", true],
    ["[THINK]x[/THINK]y", "y", false],
    ["◁think▷x◁/think▷y", "y", false],
    ["<|START_THINKING|>x<|END_THINKING|>y", "y", false],
    ["<THINK>x</THINK>y", "y", false],
    ["<seed:think>x</seed:think>y", "y", false],
    [
      "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>y",
      "<|start|>assistant<|channel|>final<|message|>y",
      false,
    ],
    ["<think>x[/THINK]y", "", true],
    ["a < b and think > c", "a < b and think > c", false],
  ] as const)("%j says %j", (text, said, unclosed) => {
    expect(withoutThoughts(text)).toEqual({ text: said, unclosed });
  });

  it("takes a text whose thought the prompt opened as thought until the thought closes", () => {
    expect(withoutThoughts("<answer>draft</answer>", true)).toEqual({ text: "", unclosed: true });
    expect(withoutThoughts("draft</think>said", true)).toEqual({ text: "said", unclosed: false });
    expect(withoutThoughts("<think>draft</think>said", true)).toEqual({ text: "said", unclosed: false });
  });
});

it("keeps positions when thoughts are masked", () => {
  const text = "<think>x</think> <answer>1</answer>";
  expect(maskThoughts(text)).toEqual({ text: `${" ".repeat(16)} <answer>1</answer>`, unclosed: false });
  expect(thoughtSpans(text).spans).toEqual([{ start: 0, end: 16 }]);
});

it.each([
  ["<|im_start|>assistant\n<think>\n", true],
  ["<|im_start|>assistant\n<think>\n\n</think>\n\n", false],
  ["What does <think> mean?<|im_end|>\n<|im_start|>assistant\n", false],
  ["<|im_start|>assistant\n", false],
])("%j ends in a thought: %s", (prompt, expected) => {
  expect(endsInThought(prompt)).toBe(expected);
});
