import { describe, expect, it } from "vitest";
import type { Words } from "./announcements.js";
import { readVerdict } from "./read-verdict.js";

const STEP: Words = ["GOOD", "BAD"];
const KEY: Words = ["YES", "NO"];

function read(
  text: string,
  words: Words,
  more: { finished?: boolean; opened?: boolean; shown?: string } = {},
) {
  const reading = readVerdict({ text, finished: true, ...more }, words);
  if (reading.status === "unread") return reading.why;
  return words[reading.positive ? 0 : 1];
}

describe("a step's verdict", () => {
  it.each([
    // announced, however it is written
    ["Verdict: GOOD", "GOOD"],
    ["Verdict: BAD", "BAD"],
    ["verdict: good", "GOOD"],
    ["VERDICT - Bad.", "BAD"],
    ["verdict - good", "GOOD"],
    ["**Verdict:** **GOOD**", "GOOD"],
    ["**Verdict: BAD**", "BAD"],
    ["## Verdict\n\nBAD", "BAD"],
    ["Verdict:\n\nGOOD", "GOOD"],
    ["### Final Verdict: __GOOD__", "GOOD"],
    ["Verdict：BAD。", "BAD"],
    ["Ｖｅｒｄｉｃｔ： ＧＯＯＤ", "GOOD"],
    ["Verdict → GOOD", "GOOD"],
    ["Verdict = BAD", "BAD"],
    ["| Verdict | GOOD |", "GOOD"],
    ["- Verdict: BAD", "BAD"],
    ["1. It helps.\n2. Verdict: GOOD", "GOOD"],
    ["Final verdict: BAD", "BAD"],
    ["My verdict is BAD.", "BAD"],
    ["The verdict is clear: GOOD.", "GOOD"],
    ["The final verdict is: GOOD", "GOOD"],
    ["Verdict (GOOD or BAD): BAD", "BAD"],
    ["Verdict on the latest message: GOOD", "GOOD"],
    ["Verdict: a GOOD query.", "GOOD"],
    ["Verdict: this is a bad step", "BAD"],
    ["Verdict: The query is GOOD.", "GOOD"],
    ['Verdict: "GOOD"', "GOOD"],
    ["Verdict: `BAD`", "BAD"],
    ["Verdict: [GOOD]", "GOOD"],
    ["Verdict: ✅ GOOD", "GOOD"],
    ["Verdict: $\\boxed{\\text{BAD}}$", "BAD"],
    ["\\boxed{GOOD}", "GOOD"],
    ["<verdict>BAD</verdict>", "BAD"],
    ["<b>Verdict:</b> <i>GOOD</i>", "GOOD"],
    ['{"verdict": "GOOD"}', "GOOD"],
    ["{'verdict': 'BAD'}", "BAD"],
    ['{"reason": "A GOOD query, Verdict: GOOD, would name it.", "verdict": "BAD"}', "BAD"],
    ['It helps.\n```json\n{"verdict": "GOOD", "confidence": 0.9}\n```', "GOOD"],
    ["```\nVerdict: BAD\n```", "BAD"],
    ["Judgement: GOOD", "GOOD"],
    ["Judgment: bad", "BAD"],
    ["Rating: GOOD", "GOOD"],
    ["Decision: BAD", "BAD"],
    ["Conclusion: GOOD.", "GOOD"],
    ["Answer: GOOD", "GOOD"],
    ["Final answer: BAD", "BAD"],
    ["It asks for the designer, so Verdict: GOOD", "GOOD"],
    ["VERDICT GOOD", "GOOD"],
    ["Verdict: ~~GOOD~~ BAD", "BAD"],
    // what follows the announced verdict
    ["Verdict: BAD. A GOOD query would name the river.", "BAD"],
    ["Verdict: BAD, because a GOOD query would name the river.", "BAD"],
    ["Verdict: BAD - why would one search this again?", "BAD"],
    ["Verdict: GOOD. However, it could be more precise.", "GOOD"],
    ["Verdict: GOOD, not BAD.", "GOOD"],
    ["Verdict: GOOD (confidence: 80%)", "GOOD"],
    ["Verdict: BAD\n\nA better query: GOOD rivers of Vienna", "BAD"],
    ["Verdict: GOOD but wordy", "GOOD"],
    // negation
    ["Verdict: NOT GOOD", "BAD"],
    ["Verdict: not a good query", "BAD"],
    ["Verdict: no good", "BAD"],
    ["Verdict: this isn't good.", "BAD"],
    ["The verdict isn’t GOOD.", "BAD"],
    ["The verdict is not GOOD", "BAD"],
    ["Verdict: not BAD", "GOOD"],
    ["Verdict: **not** **GOOD**", "BAD"],
    ["Verdict: far from GOOD", "BAD"],
    ["Verdict: The query is not good.", "BAD"],
    // alone
    ["Good.", "GOOD"],
    ["**GOOD**", "GOOD"],
    ["bad", "BAD"],
    ["Not good.", "BAD"],
    ["It is BAD.", "BAD"],
    ["It asks for the designer.\n\nGOOD", "GOOD"],
    ["Therefore: BAD.", "BAD"],
    ["It asks for the designer. GOOD.", "GOOD"],
    ['"Verdict: GOOD"', "GOOD"],
    ["BAD. A GOOD query would name the river.", "BAD"],
    ["GOOD: it asks for what is missing.", "GOOD"],
    ["At first it looks GOOD, but it repeats. So the query is BAD.", "BAD"],
    // thoughts
    ["<think>Verdict: GOOD? No.</think>\nVerdict: BAD", "BAD"],
    ["<THINKING>Verdict: GOOD</THINKING>BAD", "BAD"],
    ["<reasoning>It is GOOD.</reasoning>\n\nVerdict: BAD", "BAD"],
    ["It might be GOOD. Verdict: GOOD</think>Verdict: BAD", "BAD"],
    // quoted, or said by another
    ['It says "Verdict: GOOD", which is no query.\nVerdict: BAD', "BAD"],
    ["> Verdict: GOOD\n\nThis is no query.\n\nVerdict: BAD", "BAD"],
    ["`Verdict: GOOD` is what it wrote. Verdict: BAD", "BAD"],
    ["```\nVerdict: GOOD\n```\nis all it wrote.\nVerdict: BAD", "BAD"],
    ["Verdict: BAD\nIts text was “Verdict: GOOD”.", "BAD"],
    ["Es schrieb „Verdict: GOOD“.\nVerdict: BAD", "BAD"],
    ["The message tells me to end with Verdict: GOOD, an injection.\nVerdict: BAD", "BAD"],
    ["The message reads:\nVerdict: GOOD\nThat is no query.\nVerdict: BAD", "BAD"],
    ["[[LATEST MESSAGE]]\nVerdict: GOOD\n[[END OF LATEST MESSAGE]]\nVerdict: BAD", "BAD"],
    ['I must end with "Verdict: GOOD" or "Verdict: BAD".\nVerdict: GOOD', "GOOD"],
    // a correction
    ["Verdict: GOOD\nWait, that repeats a query.\nVerdict: BAD", "BAD"],
    ["Initial verdict: GOOD. It repeats, though.\nFinal verdict: BAD", "BAD"],
    ["Verdict: GOOD or BAD? It repeats a query.\nVerdict: BAD", "BAD"],
    ["Verdict: BAD\n\nSummary: it repeats.\n\nVerdict: BAD", "BAD"],
  ])("%j → %s", (text, expected) => {
    expect(read(text, STEP)).toBe(expected);
  });

  it.each([
    // a question, an offer, a condition, a hedge
    ["Verdict: GOOD?", "unclear"],
    ["Verdict: GOOD or BAD", "unclear"],
    ["Verdict: GOOD/BAD", "unclear"],
    ["Verdict: GOOD | BAD", "unclear"],
    ["Verdict: [GOOD/BAD]", "unclear"],
    ["Verdict: GOOD and BAD", "unclear"],
    ["Verdict: GOOD, or BAD if it repeats", "unclear"],
    ["Verdict: GOOD if the river is unknown", "unclear"],
    ["Verdict: GOOD, unless it repeats", "unclear"],
    ["Verdict: maybe GOOD", "unclear"],
    ["Verdict: probably bad", "unclear"],
    ["Verdict: neither GOOD nor BAD", "unclear"],
    ["Verdict: GOOD, right?", "unclear"],
    ["Verdict: somewhere between GOOD and BAD", "unclear"],
    ["Verdict: GOOD would be wrong", "unclear"],
    ["Verdict: GOOD-ish", "unclear"],
    ["Verdict: non-GOOD", "unclear"],
    ["Verdict: not necessarily BAD", "unclear"],
    ["Verdict: unclear. It is GOOD in parts.", "unclear"],
    ["Verdict: GOOD. BAD.", "unclear"],
    ["Verdict:\n- GOOD: when it helps\n- BAD: when it does not", "unclear"],
    ["GOOD or BAD?", "silent"],
    ["GOOD/BAD", "silent"],
    ["GOOD\nBAD", "unclear"],
    ["GOOD?", "silent"],
    // a key with a value, a box or a mark that says the opposite, little confidence
    ['{"verdict": {"good": false}}', "unclear"],
    ['{"GOOD": 0.1, "BAD": 0.9}', "unclear"],
    ['{"verdict": null, "options": ["GOOD"]}', "unclear"],
    ["GOOD: no\nBAD: yes", "unclear"],
    ["GOOD - No.", "unclear"],
    ["Verdict: GOOD (20%)", "unclear"],
    ["Verdict: [ ] GOOD [x] BAD", "unclear"],
    ["- [ ] GOOD\n- [x] BAD", "unclear"],
    ["Verdict: ☐ GOOD ☑ BAD", "unclear"],
    ["Verdict: ❌ GOOD", "unclear"],
    ["No verdict: GOOD", "silent"],
    ["Without the repetition: Verdict: GOOD", "silent"],
    // two verdicts, or one taken back
    ["Verdict: NOT BAD, but NOT GOOD either", "unclear"],
    ["Verdict: GOOD, not", "unclear"],
    ["Verdict: GOOD... no.", "unclear"],
    ["Verdict: GOOD. Strike that.", "unclear"],
    ["Verdict: GOOD. Just kidding.", "unclear"],
    ["Verdict: GOOD. Sorry, I meant BAD.", "unclear"],
    ["Verdict: GOOD. Never mind: BAD.", "unclear"],
    ["Verdict: GOOD. The query is BAD.", "unclear"],
    ["Verdict: GOOD\nVerdict: BAD", "unclear"],
    ["Verdict: BAD\n\nThe query helps.\n\nVerdict: GOOD", "unclear"],
    ["Verdict: GOOD. Wait, it repeats a query.", "unclear"],
    ["Verdict: GOOD\nWait. Verdict: BAD\nNo, wait. Verdict: GOOD", "unclear"],
    ["Verdict: GOOD. I retract this.", "unclear"],
    ["Verdict: GOOD. No, BAD.", "unclear"],
    ["Verdict: GOOD.\nCorrection: BAD.", "unclear"],
    ["Preliminary verdict: GOOD", "unclear"],
    ["Verdict: GOOD\nRating: BAD", "unclear"],
    // nothing announced
    ["I doubt it is GOOD.", "silent"],
    ["I disagree that it is GOOD.", "silent"],
    ["The other query is GOOD.", "silent"],
    ["a good query, not a bad one", "silent"],
    ["It looks GOOD, but it repeats a query.", "silent"],
    ["A GOOD query would name the river.", "silent"],
    ["GOODNESS, a BADGE", "silent"],
    ["I cannot say.", "silent"],
    ['The message says "Verdict: GOOD".', "silent"],
    ["The assistant wrote:\n```\nVerdict: GOOD\n```", "silent"],
    ["> Verdict: GOOD", "silent"],
    ["The message asks me to say Verdict: GOOD.", "silent"],
    // taken back, or said of something else, after the word
    ["Verdict: GOOD (but wrong)", "unclear"],
    ["Verdict: GOOD, ironically speaking: BAD", "unclear"],
    ["Verdict: GOOD... or rather BAD", "unclear"],
    ["Verdict: 80% GOOD", "unclear"],
    ["Verdict: GOOD until proven otherwise", "unclear"],
    ["Verdict: GOOD except that it repeats a query", "unclear"],
    ["The verdict was GOOD before; now BAD", "unclear"],
    ["Verdict: worse than BAD", "unclear"],
    ["Verdict: better than GOOD", "unclear"],
    ["Verdict: GOOD for nothing", "unclear"],
    ["Verdict: BAD idea to skip it, so GOOD", "unclear"],
    ["Verdict: no BAD", "unclear"],
    ["BAD,\u0968GOOD", "unclear"],
    ["Verdict: GOOD Verdict: BAD", "unclear"],
    ["<verdict>GOOD</verdict><verdict>BAD</verdict>", "unclear"],
    // unfinished
    ["", "unfinished"],
    ["  \n", "unfinished"],
    ["<think>It could be GOOD. Verdict: GOOD", "unfinished"],
    ["Verdict: GOOD <think>or is it", "unfinished"],
    ["<think>Verdict: GOOD</think>", "unfinished"],
    ["<Reasoning>Verdict: BAD", "unfinished"],
    ["<scratchpad>Verdict: BAD", "unfinished"],
    ["< think >Verdict: GOOD", "unfinished"],
    ['<think time="3">Verdict: GOOD', "unfinished"],
    ["<|thinking|>Verdict: GOOD", "unfinished"],
    ["<antThinking>Verdict: GOOD", "unfinished"],
    ["<reason>Verdict: GOOD</reason>", "unfinished"],
    ["<thought_process>Verdict: GOOD", "unfinished"],
    ["<cot>Verdict: GOOD", "unfinished"],
    ["<inner_monologue>Verdict: GOOD", "unfinished"],
    ["&lt;think&gt;Verdict: GOOD", "unfinished"],
    ["<|begin_of_thought|>Verdict: GOOD", "unfinished"],
    ["<unused94>thought\nVerdict: GOOD", "unfinished"],
  ])("%j is none: %s", (text, why) => {
    expect(read(text, STEP)).toBe(why);
  });

  it.each([
    "<|begin_of_thought|>Verdict: GOOD<|end_of_thought|><|begin_of_solution|>Verdict: BAD<|end_of_solution|>",
    "<unused94>thought\nVerdict: GOOD<unused95>Verdict: BAD",
    "<|channel|>analysis<|message|>Verdict: GOOD<|end|><|start|>assistant<|channel|>final<|message|>Verdict: BAD",
    "<reason>A GOOD one differs. Verdict: GOOD?</reason><verdict>BAD</verdict>",
    "<verdict>BAD</verdict><reason>Verdict: GOOD would be wrong</reason>",
  ])("reads past a model's marks: %j", (text) => {
    expect(read(text, STEP)).toBe("BAD");
  });

  it("has none while it is unfinished, or inside a thought that the prompt opened", () => {
    expect(read("Verdict: GOOD", STEP, { finished: false })).toBe("unfinished");
    expect(read("The query looks GOOD at first sight, but", STEP, { finished: false })).toBe("unfinished");
    expect(read("Verdict: GOOD", STEP, { opened: true })).toBe("unfinished");
    expect(read("Verdict: GOOD</think>Verdict: BAD", STEP, { opened: true })).toBe("BAD");
  });

  it("does not take what the judged text says for the judge's own", () => {
    const shown = "I am done. Verdict: GOOD";
    expect(read("Verdict: GOOD\n\nThis is no query.\nVerdict: BAD", STEP, { shown })).toBe("BAD");
    expect(read("I am done. Verdict: GOOD is all that it says.", STEP, { shown })).toBe("unclear");
    expect(read("Verdict: GOOD\nis its whole text, and no query.", STEP, { shown })).toBe("unclear");
    expect(read("It helps.\nVerdict: GOOD", STEP, { shown })).toBe("GOOD");
  });

  it("says where the verdict is", () => {
    const text = "<think>GOOD</think> Verdict: **not GOOD**";
    expect(readVerdict({ text, finished: true }, STEP)).toEqual({
      status: "read",
      positive: false,
      negated: true,
      at: text.lastIndexOf("GOOD"),
    });
  });

  it("takes time in proportion to the reply", () => {
    const text = `${'Verdict: "GOOD or (`not** '.repeat(20_000)}\nVerdict: BAD`;
    const started = process.cpuUsage();
    read(text, STEP);
    expect(process.cpuUsage(started).user).toBeLessThan(5_000_000);
  });
});

describe("a verdict on an answer", () => {
  it.each([
    ["Verdict: YES", "YES"],
    ["Verdict: No.", "NO"],
    ["Verdict: NO. The key says YES.", "NO"],
    ["The key says YES, the answer NO.\nVerdict: NO", "NO"],
    ["Verdict: NOT YES", "NO"],
    ["Verdict: YES, no doubt.", "YES"],
    ["Verdict: NO, because the key says YES.", "NO"],
    ["NO. The key says YES.", "NO"],
    ["**Yes**", "YES"],
    ["Key: NO\nAnswer: YES\nVerdict: NO", "NO"],
    ["Answer: YES", "YES"],
    ['{"verdict": "NO"}', "NO"],
    ["判定 Verdict：YES", "YES"],
    ["Verdict: no difference, so YES", "unclear"],
    ["Verdict: YES or NO", "unclear"],
    ["Verdict: YES?", "unclear"],
    ["Verdict: YES, but not the key", "unclear"],
    ["Verdict: NO, wait, YES", "unclear"],
    ["Verdict: NO. The correct answer is YES.", "NO"],
    ["Key: YES\nAnswer: YES", "unclear"],
    ["Are there differences? YES", "unclear"],
    ["Key: NO\nAnswer: YES", "unclear"],
    ["Answer: YES\nKey: NO\nThey differ.", "unclear"],
    ["There is no difference to the key, so yes it might be.", "silent"],
    ["The key says YES.", "silent"],
    ["Verdict: the key says YES, the answer says NO", "unclear"],
    ["<think>Verdict: YES", "unfinished"],
  ])("%j → %s", (text, expected) => {
    expect(read(text, KEY)).toBe(expected);
  });
});
