/** Judges: what says how good a step is, how its verdicts are kept, and how far it can be trusted. */
export { AnswerKeyJudge, type AnswerKeyJudgeOptions } from "./answer-key-judge.js";
export { type Calibration, calibrate, type LabelledStep, type Rate } from "./calibration.js";
export { foolingSteps } from "./fooling-steps.js";
export { type JournaledJudge, type JournaledJudgeOptions, journaledJudge } from "./journaled-judge.js";
export type { Judge, Verdict } from "./judge.js";
export { type JudgeProgress, type JudgeStepsOptions, judgeSteps } from "./judge-steps.js";
export {
  addVerdicts,
  type JudgedTrajectory,
  noVerdicts,
  type VerdictCounts,
  verdictSchema,
} from "./judged-trajectory.js";
export { type NoisyJudgeOptions, noisyJudge } from "./noisy-judge.js";
export { type ProcessBenchOptions, readProcessBench } from "./processbench.js";
export { asCalculatorSteps } from "./processbench-calls.js";
export { PromptedJudge, type PromptedJudgeOptions } from "./prompted-judge.js";
export { type Rule, type RuleFinding, RuleJudge, type RuleJudgeOptions } from "./rule-judge.js";
export { type Check, judgeByChecks, ruleJudges } from "./rules/rule-judges.js";
export { VerdictJournal, type VerdictJournalOptions } from "./verdict-journal.js";
