import { describe, expect, it } from "vitest";
import { processorTime } from "../../tests/support/processor-time.js";
import { ControlTokens } from "./control-tokens.js";

const token = (content: string, id: number, strip = false) => ({
  id,
  content,
  special: true,
  lstrip: strip,
  rstrip: strip,
  normalized: false,
});
const control = new ControlTokens([
  token("<a>", 0),
  token("a><b", 1),
  token("<a>+", 2),
  token("§", 3),
  token("<pad>", 4, true),
]);
const ids = (rendered: string) =>
  control.split(rendered).flatMap((piece) => (piece.id === undefined ? [] : [piece.id]));
const text = (rendered: string) =>
  control
    .split(rendered)
    .map((piece) => piece.text ?? "")
    .join("");

describe("ControlTokens", () => {
  it("finds the longest token that begins first", () => {
    expect(ids("x<a>+y<a>z§")).toEqual([2, 0, 3]);
    expect(control.split("x<a>y")).toEqual([{ text: "x" }, { id: 0 }, { text: "y" }]);
  });

  it("trims the text beside a token that strips", () => {
    expect(control.split("x  <pad>\n y")).toEqual([{ text: "x" }, { id: 4 }, { text: "y" }]);
  });

  it("leaves text that touches no token as it is", () => {
    expect(control.guard("two words")).toBe("two words");
    expect(control.guard("")).toBe("");
  });

  it.each(["<a>", "a><b", "<a><b", "<a>+", "§", "§§", "<a><a>", "<pad>", "<<a>>"])(
    "keeps %j text",
    (content) => {
      expect(ids(control.guard(content))).toEqual([]);
      expect(text(control.guard(content))).toBe(content);
    },
  );

  it("keeps a token from forming across the ends of a text", () => {
    for (const [before, content, after] of [
      ["<", "a", ">"],
      ["", "<", "a>"],
      ["<a", ">", ""],
      ["<a", ">+", ""],
      ["", "x<", "a>"],
      ["<", "  a>", ""],
    ] as const) {
      expect(ids(before + control.guard(content) + after), `${before}|${content}|${after}`).toEqual([]);
    }
    expect(ids(control.guard("<") + control.guard("a>"))).toEqual([]);
  });

  it("still finds the template's own token right after a guarded text", () => {
    expect(ids(`${control.guard("x<a>")}<a>`)).toEqual([0]);
    expect(ids(`${control.guard("x<")}<a>`)).toEqual([0]);
  });

  it("stays fast with thousands of control tokens and long texts", () => {
    const many = new ControlTokens(Array.from({ length: 6_500 }, (_, id) => token(`<unused${id}>`, id)));
    const before = processorTime();
    for (let turn = 0; turn < 200; turn++) many.split(many.guard(`What is 48 / 2? <unused${turn}> <`));
    const long = "<unused1 word> <unused77> ".repeat(20_000);
    expect(many.split(many.guard(long)).map(({ text }) => text)).toEqual([long]);
    expect(processorTime() - before).toBeLessThan(2_000);
  });

  it("replaces its own marks and lone surrogates in text from outside", () => {
    expect(control.guard("a\uFDD0b\uFDDFc\uD800")).toBe("a\uFFFDb\uFFFDc\uFFFD");
  });
});
