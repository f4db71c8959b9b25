/** Judges rate steps. Their verdicts are kept in a journal, and calibration measures their errors. */
export { adversarialSteps, foolingSteps } from "./adversarial-steps.js";
export { AnswerKeyJudge, type AnswerKeyJudgeOptions } from "./answer-key-judge.js";
export {
  type CalibrateOptions,
  type Calibration,
  type CalibrationVerdict,
  calibrate,
  type LabelledStep,
  type Rate,
} from "./calibration.js";
export { type CombinedJudgeOptions, combinedJudge } from "./combined-judge.js";
export {
  type JournaledJudge,
  type JournaledJudgeOptions,
  type JournaledJudgeStats,
  journaledJudge,
} from "./journaled-judge.js";
export type { FailedVerdict, GivenVerdict, Judge, Verdict } from "./judge.js";
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
export {
  type JudgeModelOptions,
  type JudgePrompt,
  PromptedJudge,
  type PromptedJudgeOptions,
} from "./prompted-judge.js";
export {
  type Rule,
  type RuleFinding,
  RuleJudge,
  type RuleJudgeOptions,
  type RuleOutcome,
} from "./rule-judge.js";
export { type Check, judgeByChecks, ruleJudges } from "./rules/rule-judges.js";
export { VerdictJournal, type VerdictJournalOptions } from "./verdict-journal.js";
