import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Judge, StepView } from "swirl-rl";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { solutionJudge } from "./solution-judge.js";

const QUESTION = "A crate holds 48 jars. Half as many fit into a box. How many jars do both hold?";
const ROW = {
  question: QUESTION,
  answer: "A box holds 48/2 = <<48/2=24>>24 jars.\nBoth hold 48+24 = <<48+24=72>>72.\n#### 72",
};

const view = (parts: Partial<StepView>): StepView => ({
  question: QUESTION,
  history: [],
  action: "",
  kind: "call",
  callsLeft: 7,
  ...parts,
});
const call = (input: string) => view({ call: { name: "calculator", input } });
const answer = (text: string) => view({ kind: "answer", answer: text });

describe("solutionJudge", () => {
  let judge: Judge;
  beforeAll(async () => {
    const file = join(temporaryFolder(), "rows.jsonl");
    await writeFile(file, `${JSON.stringify(ROW)}\n`);
    judge = await solutionJudge([file]);
  });
  const good = async (step: StepView) => {
    const verdict = await judge.judge(step);
    return verdict.status === "ok" && verdict.good;
  };

  it.each([
    ["48/2", true],
    ["0.5 * 48", true],
    ["48 + 48/2", true],
    ["48*2", false],
    ["48/", false],
  ])("a call of %s: %s", async (input, expected) => expect(await good(call(input))).toBe(expected));

  it.each([
    ["72", true],
    ["72.00 jars", true],
    ["24", false],
    ["unknown", false],
  ])("an answer of %s: %s", async (text, expected) => expect(await good(answer(text))).toBe(expected));

  it("says nothing of a question without a solution, and nothing good of a malformed action", async () => {
    expect(await judge.judge({ ...call("48/2"), question: "Another one?" })).toMatchObject({
      status: "failed",
    });
    expect(await good(view({ kind: "malformed" }))).toBe(false);
  });
});
