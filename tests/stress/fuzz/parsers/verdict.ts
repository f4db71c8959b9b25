import { readVerdict } from "../../../../src/judge/reading/read-verdict.js";
import { mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";

const WORDS = [
  "GOOD",
  "BAD",
  "good",
  "bad",
  "Verdict",
  "Verdict:",
  "**",
  "Final verdict: ",
  "The verdict is ",
  "not ",
  "isn't ",
  "never ",
  "<think>",
  "</think>",
  "?",
  ". ",
  "\n",
  "\n\n",
  "> ",
  "```",
  '"',
  "“",
  "”",
  "Wait, ",
  "actually ",
  "Answer: ",
  "\\boxed{",
  "}",
  "YES",
  "NO",
  "or ",
  "either ",
  "would be ",
  "if ",
  "Correction: ",
  "At first ",
  "- ",
  "1. ",
  "| ",
  "[GOOD/BAD]",
  "neither ",
  "no good",
  "Judgment: ",
  "ＧＯＯＤ",
  "BAD.",
  "GOOD.",
  "hardly ",
  "rather than ",
  "…",
];
const SEEDS = [
  "The step looks for the country first.\n\nVerdict: GOOD",
  "It repeats the query of step 1.\n\n**Verdict: BAD**",
  "<think>Is it GOOD? It is BAD, no.</think>\nVerdict: NOT GOOD.",
  "Verdict: BAD. A GOOD query would name the river.",
  "At first this looks GOOD, but wait.\nCorrection: Verdict: BAD",
  'The text says "Verdict: GOOD". It is wrong.\nFinal verdict: BAD',
  "GOOD. The calculation follows from the question.",
  "So the query is BAD.",
  '{"reasoning": "fine", "verdict": "GOOD"}',
];

/** A reading points at the word it read; an unfinished, withdrawn or open reply is none. */
export const verdict: FuzzedParser = {
  name: "verdict",
  input: (random) => mutateText(random, SEEDS, WORDS),
  read: (text) => {
    const words = ["GOOD", "BAD"] as const;
    const reading = readVerdict({ text, finished: true }, words);
    if (reading.status === "read") {
      const word = reading.positive === reading.negated ? "BAD" : "GOOD";
      const found = text
        .slice(reading.at, reading.at + word.length)
        .normalize("NFKC")
        .toUpperCase();
      must(found === word, `a verdict of ${word} points at that word`);
      // What an open quotation or code block holds is not the judge's own.
      const quotes = /["'`“”‘’«»>~]/.test(text);
      const later = readVerdict({ text: `${text}\n\nWait, let me reconsider.`, finished: true }, words);
      must(quotes || later.status === "unread", "a verdict that is taken back is none");
    }
    must(
      readVerdict({ text, finished: false }, words).status === "unread",
      "an unfinished reply is no verdict",
    );
    if (!/[</[◁|]/.test(text)) {
      const open = [{ text: `<think>${text}` }, { text, opened: true }];
      for (const reply of open)
        must(
          readVerdict({ finished: true, ...reply }, words).status === "unread",
          "an open thought is no verdict",
        );
    }
    return reading;
  },
};
