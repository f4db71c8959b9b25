/**
 * swirl-rl/demo: the invented world of `swirl demo`, for tests, examples and studies. It needs no download: questions,
 * a task, judges and an oracle, a tokenizer and a small untrained policy.
 */
export { demonstratingPolicy } from "./demonstrating-policy.js";
export { DEMONSTRATION_MISTAKES, type MistakeRates } from "./demonstrator.js";
export { independentJudge, oracleJudge, processJudge } from "./judges.js";
export { MODEL_CONFIG, writePolicyFolder } from "./policy-folder.js";
export { type DemoProgress, type DemoResult, runDemo } from "./run-demo.js";
export { DEMO_SETTINGS, type DemoSettings } from "./settings.js";
export { demoTask } from "./task.js";
export { drawWorld, type QuestionMix, type World, type WorldQuestion } from "./world.js";
