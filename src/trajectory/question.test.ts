import { expect, it } from "vitest";
import { requireGold, requireQuestion } from "./question.js";

it.each([
  [{ id: "q", question: "?", answers: "72" }, "answers"],
  [{ id: "q", question: "?", answers: [72] }, "answers.0"],
  [{ id: "q", question: "?" }, "answers"],
  [{ id: "q", question: " ", answers: [] }, "question"],
  [{ question: "?", answers: [] }, "id"],
  [{ id: 7, question: "?", answers: [] }, "id"],
  ["Who?", "questions"],
  [null, "questions"],
])("%j is no question", (value, field) => {
  expect(() => requireQuestion(value, "solve")).toThrow(
    expect.objectContaining({ code: "INPUT", details: { field }, remedy: expect.stringContaining('["72"]') }),
  );
});

it("a question is itself, with or without answers", () => {
  const question = { id: "q", question: "?", answers: [], tags: { level: "1" } };
  expect(requireQuestion(question, "solve")).toBe(question);
  expect(() => requireGold([question, { ...question, answers: ["1"] }], "evaluate")).not.toThrow();
  expect(() => requireGold([question, question], "evaluate")).toThrow(
    /none of 2 questions has a gold answer/,
  );
});
