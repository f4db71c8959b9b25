/** Policies: `Policy.load` for the native model, `Policy.connect` for a model behind servers. */
import { connect } from "./connect.js";
import { NativePolicy } from "./native-policy.js";
import type { Policy as PolicyInterface } from "./policy.js";

/**
 * A model that acts: `Policy.load` returns the native one, `Policy.connect` one on servers.
 *
 * @example
 * const context = policy.begin([{ role: "user", content: "What is 3 + 4?" }]);
 * const [action] = await policy.act(context, { temperature: 0 });
 */
export interface Policy extends PolicyInterface {}

/**
 * Makes policies.
 *
 * @example
 * await using policy = await Policy.load("models/smollm2", { device: "auto" });
 * await using judgeModel = await Policy.connect({ baseURL: "http://127.0.0.1:8000/v1", model: "qwen" });
 */
export const Policy = {
  /** Loads a Hugging Face model folder into the native engine. Such a policy can be trained. */
  load: NativePolicy.load,
  /**
   * Connects to a trainer on other machines (`trainer`), whose weights can be trained; to servers that take and return
   * token ids (`servers`), whose trajectories can be trained on; or to an OpenAI-compatible chat endpoint (`baseURL`).
   */
  connect,
};

export type { EndpointConnection, EndpointOptions } from "../endpoint/endpoint-options.js";
export type { FleetStats } from "../endpoint/fleet.js";
export type { FleetOptions } from "../endpoint/fleet-options.js";
export type { FleetServerStatus } from "../endpoint/fleet-server.js";
export type { LossFunction, LossSequence, LossTerms } from "../losses/loss-function.js";
export type { Message, ToolCall, ToolSpec } from "../messages/message.js";
export type {
  Dtype,
  NativeCallCost,
  NativeCost,
  NativeGenerateStats,
  NativeOpCost,
  NativePeak,
  NativeProductCost,
  NativeProfile,
  ParameterInfo,
  TensorKind,
} from "../native/addon.js";
export type { Reduction, ReductionKind } from "../tinker/reduction.js";
export { type ChoiceOptions, type ChoiceResult, type ChoiceScorer, scoresChoices } from "./choice-scorer.js";
export { type ConnectOptions, EndpointPolicy } from "./endpoint-policy.js";
export type { EndpointStats } from "./endpoint-requests.js";
export type { LoraOptions } from "./lora/lora-options.js";
export type {
  AdapterOptions,
  GenerateOptions,
  LoadOptions,
  LogprobsOptions,
  MergeOptions,
  MergeReport,
  SaveOptions,
  WatchOptions,
} from "./native-options.js";
export { type Completion, NativePolicy, type PolicyProfile } from "./native-policy.js";
export type { Action, Context, SamplingOptions } from "./policy.js";
export type { Sequence, TrainSequence } from "./sequences.js";
export type { PublishedAdapter, PublishOptions } from "./served/publish-options.js";
export type { ServedOptions, ServedProbeOptions } from "./served/served-options.js";
export { ServedPolicy, type ServedStats } from "./served/served-policy.js";
export type { ServedProbe } from "./served/served-probe.js";
export type { TinkerLora, TinkerOptions } from "./tinker-options.js";
export { TinkerPolicy, type TinkerStats } from "./tinker-policy.js";
export type { Differences } from "./tinker-updates.js";
export type { TrainablePolicy } from "./trainable-policy.js";
export type {
  SequenceScorer,
  TrainerMetrics,
  TrainerPolicy,
  TrainingRequirements,
} from "./trainer-policy.js";
export type { GradientMetrics, StepMetrics, UpdateMetrics } from "./training-metrics.js";
export type {
  LossOptions,
  OptimizerOptions,
  ParameterGroup,
  TermOptions,
  UpdateOptions,
} from "./training-options.js";
