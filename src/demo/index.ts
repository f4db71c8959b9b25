/**
 * swirl-rl/demo: the invented world of `swirl demo`, for tests, examples and studies. It needs no download: it has
 * questions, a task, judges and an oracle, a tokenizer and a small untrained policy.
 */

export type { DemoOptions, DemoProgress, DemoStage } from "./demo-run.js";
export { type DemonstratorOptions, demonstratingPolicy } from "./demonstrating-policy.js";
export { DEMONSTRATION_MISTAKES, type MistakeRates } from "./demonstrator.js";
export { independentJudge, oracleJudge, processJudge } from "./judges.js";
export type { LookupPlan, Operation, Operator, Plan, SumPlan } from "./language.js";
export type { DemoEvaluation } from "./measure-policy.js";
export { MODEL_CONFIG, writePolicyFolder } from "./policy-folder.js";
export {
  type DemoImprovement,
  type DemoResult,
  runDemo,
} from "./run-demo.js";
export { DEMO_SETTINGS, type DemoSettings } from "./settings.js";
export { demoTask } from "./task.js";
export {
  type Article,
  type DrawnWorld,
  drawWorld,
  type EntityCounts,
  type QuestionList,
  type QuestionMix,
  type World,
  type WorldQuestion,
  type WorldSizes,
} from "./world.js";
