export { FORMAT_NAMES, type FormatName } from "./formats/index.js";
export {
  type Gsm8kDemonstrationsOptions,
  readGsm8kDemonstrations,
  solutionSteps,
} from "./gsm8k-demonstrations.js";
export { type HotpotqaDemonstrationsOptions, readHotpotqaDemonstrations } from "./hotpotqa-demonstrations.js";
export type { Passage } from "./passage.js";
export { readPassages } from "./read-passages.js";
export { type ReadQuestionsOptions, readQuestions } from "./read-questions.js";
