/**
 * The demo's judges. The process judge filters and rewards. The oracle, which knows the plans, and the independent judge,
 * which shares no rule with the process judge, only measure.
 */
import { type Judge, RuleJudge, ruleJudges } from "../index.js";
import { readQuestion } from "./language.js";
import { isRightStep } from "./oracle.js";
import { judgeProcess } from "./process-judge.js";
import type { WorldQuestion } from "./world.js";

/** Judges a step by what the question and the results say, without an answer key. It filters and rewards. */
export function processJudge(): RuleJudge {
  return new RuleJudge({ id: "demo-process/1", rule: judgeProcess });
}

/** Judges steps of these questions by their plans. A step of another question is a failed verdict. */
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

/** The package's weak rule judges: for search or for the calculator, by the kind of the question. */
export function independentJudge(): Judge {
  const [search, calculator] = [ruleJudges.search(), ruleJudges.calculator()];
  return {
    id: `${search.id}+${calculator.id}`,
    judge: (step) => (readQuestion(step.question).entity === undefined ? calculator : search).judge(step),
  };
}
