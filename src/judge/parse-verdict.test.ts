import { expect, it } from "vitest";
import { parseVerdict } from "./parse-verdict.js";

it.each([
  ["Verdict: GOOD", true],
  ["It looks GOOD, but it repeats a query.\nVerdict: BAD", false],
  ["**Verdict:** **GOOD**", true],
  ["BAD would be wrong: GOOD.", true],
  ["verdict - good", true],
  ["Verdict: Bad.", false],
  ["a good query, not a bad one", undefined],
  ["GOODNESS, a BADGE", undefined],
  ["", undefined],
])("%j → %s", (text, expected) => {
  expect(parseVerdict(text, "GOOD", "BAD")).toBe(expected);
});
