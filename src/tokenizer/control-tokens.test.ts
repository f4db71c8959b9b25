import { describe, expect, it } from "vitest";
import { processorTime } from "../../tests/support/processor-time.js";
import { ControlTokens, sanitize } from "./control-tokens.js";
import { ASSISTANT, CONTENT, concat, join, marked, type Str, textOf } from "./jinja/text.js";

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
const ids = (rendered: Str) =>
  control.split(rendered).flatMap((piece) => (piece.id === undefined ? [] : [piece.id]));

describe("ControlTokens", () => {
  it("finds the longest token that begins first", () => {
    expect(ids("x<a>+y<a>z§")).toEqual([2, 0, 3]);
    expect(control.split("x<a>y")).toEqual([{ text: "x" }, { id: 0 }, { text: "y" }]);
  });

  it("trims the text beside a token that strips", () => {
    expect(control.split("x  <pad>\n y")).toEqual([{ text: "x" }, { id: 4 }, { text: "y" }]);
  });

  it.each(["<a>", "a><b", "<a><b", "<a>+", "§", "§§", "<a><a>", "<pad>", "<<a>>"])(
    "keeps %j text where a message wrote it",
    (content) => {
      expect(control.split(marked(content, CONTENT))).toEqual([{ text: content }]);
    },
  );

  it("keeps a token from forming across the ends of a text", () => {
    for (const [before, content, after] of [
      ["<", "a", ">"],
      ["", "<", "a>"],
      ["<a", ">", ""],
      ["", "x<", "a>"],
    ] as const) {
      const rendered = join([before, marked(content, CONTENT), after]);
      expect(control.split(rendered), textOf(rendered)).toEqual([{ text: before + content + after }]);
    }
    expect(ids(concat("<a>", marked("+", CONTENT)))).toEqual([0]);
    expect(ids(concat(marked("x<", CONTENT), "<a>"))).toEqual([0]);
  });

  it("lets an assistant write tokens that are not special", () => {
    const tokens = new ControlTokens([token("<a>", 0), { ...token("<call>", 1), special: false }]);
    const said = marked("<a><call>", ASSISTANT);
    expect(tokens.split(said)).toEqual([{ text: "<a>" }, { id: 1 }]);
    expect(tokens.split(marked("<a><call>", CONTENT))).toEqual([{ text: "<a><call>" }]);
  });

  it("finds the tokens that a template writes, also within each other", () => {
    expect([...control.within("x<a>+ and §")].sort()).toEqual(["<a>", "<a>+", "§"]);
  });

  it("stays fast with many and with long tokens", () => {
    const before = processorTime();
    const many = new ControlTokens(Array.from({ length: 50_000 }, (_, id) => token(`<unused${id}>`, id)));
    expect(many.split("<unused1 word> <unused77>".repeat(20_000)).filter(({ id }) => id === 77)).toHaveLength(
      20_000,
    );
    const long = new ControlTokens(
      Array.from({ length: 1_000 }, (_, id) => token(`${"a".repeat(500)}${id}`, id)),
    );
    expect(long.split("b".repeat(100_000))).toHaveLength(1);
    expect(processorTime() - before).toBeLessThan(3_000);
  });
});

it("replaces lone surrogates and the characters that this package uses itself", () => {
  expect(sanitize("a\uFDDEb\uFDDFc\uD800")).toBe("a\uFFFDb\uFFFDc\uFFFD");
});
