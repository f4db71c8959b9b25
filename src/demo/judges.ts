/** The demo's two judges. The process judge filters and rewards; the oracle only measures, it has seen the plans. */
import { RuleJudge } from "../judge/rule-judge.js";
import { isRightStep } from "./oracle.js";
import { judgeProcess } from "./process-judge.js";
import type { WorldQuestion } from "./world.js";

export function processJudge(): RuleJudge {
  return new RuleJudge({ id: "demo-process/1", rule: judgeProcess });
}

/** Knows these questions; a step of any other one is a failed verdict. */
export function oracleJudge(questions: readonly WorldQuestion[]): RuleJudge {
  const byText = new Map(questions.map((question) => [question.question, question]));
  return new RuleJudge({
    id: "demo-oracle/1",
    rule: (step) => {
      const question = byText.get(step.question);
      if (!question)
        throw new Error(`the oracle does not know the question ${JSON.stringify(step.question)}`);
      return isRightStep(question, step);
    },
  });
}
