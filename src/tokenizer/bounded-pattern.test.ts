import { describe, expect, it } from "vitest";
import { processorTime } from "../../tests/support/processor-time.js";
import { boundPatterns } from "./bounded-pattern.js";

function bounded(pattern: RegExp, source = pattern.source): RegExp {
  const step = { config: { pattern: { Regex: source } }, pattern };
  boundPatterns({ tokenizers: [step] }, "tokenizer.json");
  return step.pattern;
}

describe("boundPatterns", () => {
  it("matches as the pattern does", () => {
    const pattern = /(?:\p{L}|\d)+|x*/gu;
    const own = bounded(pattern);
    expect(own).not.toBe(pattern);
    for (const text of ["", "ab 12 é😀x", "x x", "\n"]) {
      const spans = (regex: RegExp) => [...text.matchAll(regex)].map((match) => [match.index, match[0]]);
      expect(spans(own)).toEqual(spans(pattern));
      expect(text.match(own)).toEqual(text.match(pattern));
      expect(text.replaceAll(own, "-")).toBe(text.replaceAll(pattern, "-"));
    }
    expect("a1b22c".split(bounded(/\d+/gu))).toEqual("a1b22c".split(/\d+/gu));
  });

  it("leaves known patterns as they are", () => {
    expect(bounded(/\p{N}/gu)).toBeInstanceOf(RegExp);
  });

  it("ends a match that would never end, and continues after it", { timeout: 90_000 }, () => {
    const endless = bounded(/(a+)+$/gu);
    const before = performance.now();
    const spent = processorTime();
    expect(() => `${"a".repeat(100)}b`.match(endless)).toThrow(
      /tokenizer\.json: the pattern .* takes more than 2000 ms/,
    );
    const waited = performance.now() - before;
    expect(waited).toBeLessThan(40_000);
    // A loaded machine gives it no less, until it has waited long.
    if (waited < 19_000) expect(processorTime() - spent).toBeGreaterThan(1_900);
    expect("aab aa".match(endless)).toEqual(["aa"]);
  });
});
