import { expect, it } from "vitest";
import { exactMatcher, numericMatcher } from "./matchers.js";

const correct = async (matcher: ReturnType<typeof numericMatcher>, answer: string, gold: string) => {
  const verdict = await matcher.match({ question: "?", answer, gold: [gold] });
  return verdict.status === "ok" && verdict.correct;
};

it.each([
  ["minus 5", "5"],
  ["–5", "5"],
  ["1.8", "18"],
  ["$1.8", "18"],
  ["1½", "1"],
  ["1½", "11/2"],
  ["2 dozen", "2"],
  ["1.5M", "1.5"],
  ["3:30", "330"],
  ["18 or 19", "18"],
  ["5", "-5"],
])("numericMatcher: %j is not %j", async (answer, gold) => {
  expect(await correct(numericMatcher(), answer, gold)).toBe(false);
});

it.each([
  ["\\boxed{9{,}500}", "9500"],
  ["18 = 9 * 2", "18"],
  ["Blue.", "blue"],
  ["3:30", "3:30"],
  ["3 PM", "3 pm"],
  ["2020-05-18", "2020–05–18"],
])("numericMatcher: %j is %j", async (answer, gold) => {
  expect(await correct(numericMatcher(), answer, gold)).toBe(true);
});

it("exactMatcher tells numbers apart that differ in a mark", async () => {
  expect(await correct(exactMatcher(), "-5", "5")).toBe(false);
  expect(await correct(exactMatcher(), "The Port of Spain.", "port of spain")).toBe(true);
});
