/** Policies: `Policy.load` for the native model, `Policy.connect` for an OpenAI-compatible endpoint. */
import { EndpointPolicy } from "./endpoint-policy.js";
import { NativePolicy } from "./native-policy.js";
import type { Policy as PolicyInterface } from "./policy.js";

/** What turns a context into actions; see policy.ts. */
export type Policy = PolicyInterface;

export const Policy = {
  load: NativePolicy.load,
  connect: EndpointPolicy.connect,
};

export type { EndpointOptions } from "../endpoint/endpoint-options.js";
export type { LossFunction, LossSequence, LossTerms } from "../losses/loss-function.js";
export type { Message, ToolCall, ToolSpec } from "../messages/message.js";
export { type ChoiceOptions, type ChoiceResult, type ChoiceScorer, scoresChoices } from "./choice-scorer.js";
export { EndpointPolicy, type EndpointStats } from "./endpoint-policy.js";
export type {
  GenerateOptions,
  LoadOptions,
  LogprobsOptions,
  SaveOptions,
} from "./native-options.js";
export { type Completion, NativePolicy, type PolicyProfile } from "./native-policy.js";
export type { Action, Context, SamplingOptions } from "./policy.js";
export type { Sequence, TrainSequence } from "./sequences.js";
export type { TrainablePolicy } from "./trainable-policy.js";
export type { GradientMetrics, StepMetrics, UpdateMetrics } from "./training-metrics.js";
export type {
  KlEstimator,
  LossOptions,
  OptimizerOptions,
  ParameterGroup,
  UpdateOptions,
} from "./training-options.js";
