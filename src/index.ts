// biome-ignore-all assist/source/organizeImports: grouped by stage, in the order in which the data flows
/**
 * swirl-rl: step-wise reinforcement learning (SWiRL) for multi-step reasoning and tool use.
 *
 * Goldie, Mirhoseini, Zhou, Cai, Manning, "Synthetic Data Generation & Multi-Step RL for Reasoning & Tool Use",
 * arXiv 2504.04736v2. What is done differently from the paper, or where the paper says nothing and we had to choose:
 *
 *  1. Prompts are in our own words, as one user turn; tags, call limits (5 searches, 10 calculations) and result
 *     format are the paper's. Calls in the model's own chat template are offered as well as the tags.
 *  2. The limit counts calls: after the last one the policy acts once more, to answer. A call beyond it is not
 *     executed and ends the trajectory. The paper leaves open whether its limit counts calls or actions.
 *  3. Sampling: temperature 1, 512 tokens per action; greedy for solve and evaluate.
 *  4. A malformed action ends the trajectory; a repeated call is executed (and left to the judge); earlier chains of
 *     thought stay in the states. Each is an option. The paper's text and its figure 3 disagree on the last.
 *  5. The calculator is a grammar of its own, not SymPy. Search is BM25 by default, an embedding index where one is
 *     served; one passage a call is our reading of the paper.
 *  6. Judges are any policy, prompted or through the probability of its verdict, or rules. Votes, thresholds, retries
 *     and what a failed judgment means (it masks the step, it is not a zero) are ours.
 *  7. Filters draw their equal-size subsample after filtering, by a hash of the trajectory id. The paper fixes the
 *     number across filters and does not say how it draws.
 *  8. Optimizer: REINFORCE with leave-one-out baselines over G = 4 fresh actions per state and a KL penalty (k3
 *     estimator) in the loss, AdamW, three passes over the states (docs/decisions/004-training.md). The paper cites Gemma 2's policy gradient without its settings. PPO clipping,
 *     other baselines and estimators, and re-weighting logged actions (`actions: "logged"`, another algorithm) are
 *     options.
 *  9. The update of a batch runs on the prefix tree of its sub-trajectories and is exact: the same sum that the
 *     separate sequences would give.
 * 10. Answers are matched exactly (search) or as numbers (calculator) unless a judge with the answer key is given; the
 *     paper uses a model for both. Every rate has a 95 % interval, every difference a paired one.
 */

// Stage 3: solve, evaluate
export type {
  AnswerCandidate,
  AnswerMatcher,
  AnswerVerdict,
  CheckedAnswer,
  FailedCheck,
} from "./answers/answer-matcher.js";
export {
  answerNumber,
  bestOver,
  exactMatch,
  f1,
  normalizeAnswer,
  numericEqual,
} from "./answers/index.js";
export { exactMatcher, f1Matcher, numericMatcher } from "./answers/matchers.js";

// Data and questions
export * from "./data/index.js";
export type { Demonstration, DemonstrationStep } from "./trajectory/demonstration.js";
export type { Question } from "./trajectory/question.js";

// Policies, tokenizers, devices
export * from "./policy/index.js";
export { type InitializeOptions, initializePolicy } from "./policy/initialize-policy.js";
export * from "./tokenizer/index.js";
export { type Devices, devices } from "./native/devices.js";
export type { DeviceInfo } from "./native/addon.js";

// Models of the Hugging Face hub
export { type PullOptions, type PullProgress, pullModel } from "./hub/pull-model.js";

// Tools and tasks
export * from "./tools/index.js";
export { defineTask, type Task, type TaskOptions } from "./synthesize/task.js";
export { calculatorTask, searchTask } from "./synthesize/tasks.js";

// Stage 1: synthesize, judge, filter
export { actionFormat, stopStrings } from "./synthesize/action-format.js";
export {
  type ActionText,
  type MalformedReason,
  type ParsedAction,
  type ParsedAnswer,
  type ParsedCall,
  type ParsedMalformed,
  parseAction,
} from "./synthesize/parse-action.js";
export type { PromptWording } from "./synthesize/prompts.js";
export type { RolloutOptions } from "./synthesize/rollout-options.js";
export { type SynthesizeOptions, type SynthesizeProgress, synthesize } from "./synthesize/synthesize.js";
export {
  type DemonstrateOptions,
  demonstrate,
  type RejectedDemonstration,
} from "./synthesize/demonstrations.js";
export { fewShotTask } from "./synthesize/few-shot.js";
export * from "./judge/index.js";
export type { FilterKind, FilterReason } from "./filter/filter-reasons.js";
export { type FilterRow, type FilterTable, formatFilterTable } from "./filter/filter-table.js";
export {
  type FilterItem,
  type FilterOptions,
  type FilterProgress,
  type FilterResult,
  filterTrajectories,
} from "./filter/filter-trajectories.js";

// Records
export {
  type ActionFormat,
  type Observation,
  type PromptMessage,
  type RecordedCall,
  type Step,
  TRAJECTORY_VERSION,
  type Trajectory,
  trajectorySchema,
} from "./trajectory/trajectory.js";
export { decompose, rebuildStates, type SubTrajectory } from "./trajectory/decompose.js";
export { type PastStep, type StepView, stepViews } from "./trajectory/step-views.js";
export { openTrajectoryWriter, readTrajectories, type TrajectoryWriter } from "./trajectory/store.js";

// Losses
export * from "./losses/index.js";

// Stage 2: step-wise RL, and SFT on the same records
export { type OutcomeRewardOptions, outcomeReward, type Reward, type RewardContext } from "./train/reward.js";
export { type SftOptions, type SftProgress, type SftResult, sft } from "./train/sft.js";
export { type TrainResult, train } from "./train/train.js";
export type { TrainOptions, TrainPhase, TrainProgress, ValidateOptions } from "./train/train-options.js";
export type { ActionRecord, ActionsRecord } from "./train/actions-record.js";
export type { CheckpointInput, OptimizerRunOptions } from "./train/optimizer-options.js";
export type { OverlongOptions } from "./train/overlong.js";
export type { RewardPartOptions } from "./train/reward-parts.js";
export type { TrainingState } from "./train/states.js";
export type { Validate } from "./train/validation.js";
export type { TrainRecord, UpdateRecord } from "./train/train-record.js";
export type { CompletionMetrics, RewardMetrics } from "./train/reward-metrics.js";
export type { SamplerMismatch } from "./train/sampler-mismatch.js";

// Stage 3: solve and evaluate
export { type SolveOptions, solve } from "./solve/solve.js";
export { type SolveByVoteOptions, solveByVote } from "./solve/solve-by-vote.js";
export type { AnswerVotes } from "./voting/majority.js";
export type { VoteOptions, VoteResult } from "./voting/vote.js";
export {
  type EvaluateOptions,
  type EvaluateProgress,
  type Evaluation,
  evaluate,
} from "./evaluate/evaluate.js";
export {
  type CompareOptions,
  type ComparedRecord,
  type Comparison,
  compareEvaluations,
} from "./evaluate/compare.js";
export { type EvaluationRecord, type RecordedVotes, readEvaluations } from "./evaluate/evaluation-record.js";
export {
  type Estimate,
  type EvaluationSummary,
  type Improvement,
  improvement,
  type ProcessLabel,
  summarize,
} from "./evaluate/summary.js";
export * from "./answers/index.js";
export {
  type DifferenceInterval,
  type Interval,
  type MeanInterval,
  meanInterval,
  type PairedBootstrapOptions,
  pairedBootstrap,
  wilsonInterval,
} from "./statistics/interval.js";

// Trackers: TensorBoard, MLflow, Weights & Biases, Trackio
export * from "./trackers/index.js";

// Runs: their folders, reports, and the crash-safe files they are made of
export type { RunPaths } from "./run-directory/layout.js";
export type { Manifest, ManifestInput, ManifestSession } from "./run-directory/manifest.js";
export { RunDirectory, type RunDirectoryOptions } from "./run-directory/run-directory.js";
export { type ReportFiles, writeReport } from "./report/write-report.js";
export {
  type FileOperations,
  type OpenFile,
  type WriteResult,
  writeFileAtomic,
} from "./files/atomic-write.js";
export type { TornLine } from "./files/jsonl-reader.js";
export type { JsonlWriterOptions, KeptTornLine } from "./files/jsonl-writer.js";
export { writeJson } from "./files/json-file.js";
export { lockFolder } from "./files/lock.js";
export { createRandom, normal, type Random } from "./random/random.js";

// Errors and version
export {
  type ErrorCode,
  type ErrorDetails,
  SwirlError,
  type SwirlErrorOptions,
} from "./errors/swirl-error.js";
export { packageVersion } from "./version.js";
