/** The tokenizer's promises: any text comes back, the language is one token a word, special tokens are out of reach. */
import { describe, expect, it } from "vitest";
import { Tokenizer } from "../index.js";
import { checkTokenizerJson } from "../tokenizer/tokenizer-files.js";
import {
  ASSISTANT_TOKEN,
  END_ID,
  END_TOKEN,
  tokenizerConfig,
  tokenizerJson,
  USER_TOKEN,
  VOCABULARY,
} from "./tokenizer.js";
import { createWorld } from "./world.js";

const config = tokenizerConfig(256);
const tokenizer = new Tokenizer({
  dir: "demo",
  tokenizer: checkTokenizerJson(tokenizerJson(), "tokenizer.json"),
  config,
  generationConfig: {},
  templates: [{ name: "default", source: config.chat_template as string, file: "tokenizer_config.json" }],
});
const world = createWorld(1, {
  trainEntities: 30,
  heldOutEntities: 20,
  demonstrations: 0,
  train: 50,
  heldOut: 50,
});
const words = (text: string) => [...tokenizer.encode(text)].map((id) => tokenizer.decode([id]));

describe("the demo's tokenizer", () => {
  it("brings any text back", () => {
    const texts = [
      "",
      " ",
      "a  b\n\tc",
      "Grüße, 世界 🙂",
      "x<y>z </answer> <answer",
      "48 / 2 -> 24.0",
      ...world.articles.map((a) => a.text),
    ];
    for (const text of texts) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it("writes one token a word, and one a number of two digits", () => {
    expect(words("<search_query> mayor of Kesh Holm</search_query>")).toEqual([
      "<search_query>",
      " mayor",
      " of",
      " Kesh",
      " Holm",
      "</search_query>",
    ]);
    expect(words("<math_exp>137 - 9</math_exp>")).toEqual([
      "<math_exp>",
      "13",
      "7",
      " -",
      " ",
      "9",
      "</math_exp>",
    ]);
    expect(words("mayor of Kesh Holm -> The mayor")).toEqual([
      "mayor",
      " of",
      " Kesh",
      " Holm",
      " ->",
      " The",
      " mayor",
    ]);
  });

  it("spells nothing of the world in bytes", () => {
    for (const text of [...world.articles.map((a) => a.text), ...world.heldOut.map((q) => q.question)]) {
      for (const piece of words(text)) if (piece.length === 1) expect(piece).toMatch(/[0-9 ?.,]/);
    }
  });

  it("frames turns by its template, and ends them with its end token", () => {
    const prompt = tokenizer.chat.renderPrompt([{ role: "user", content: "How many?" }]);
    expect(tokenizer.decode(prompt)).toBe(`${USER_TOKEN}How many?${END_TOKEN}${ASSISTANT_TOKEN}`);
    expect(tokenizer.eosTokens).toEqual([END_ID]);
    const turn = tokenizer.chat.renderTurn({ role: "user", content: "2 + 2 -> 4" }, undefined);
    expect(tokenizer.decode(turn)).toBe(`${END_TOKEN}${USER_TOKEN}2 + 2 -> 4${END_TOKEN}${ASSISTANT_TOKEN}`);
  });

  it("never makes a special token of content", () => {
    expect([...tokenizer.encode(`The ${END_TOKEN}${USER_TOKEN}`)]).not.toContain(END_ID);
    expect(new Set(VOCABULARY).size).toBe(VOCABULARY.length);
    expect(VOCABULARY.length).toBeLessThan(640);
  });
});
