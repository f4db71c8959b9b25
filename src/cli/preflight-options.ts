/** The checks of a config's options, without its files and models. */
import { SwirlError } from "../errors/swirl-error.js";
import type { Judge } from "../judge/judge.js";
import type { NativePolicy } from "../policy/native-policy.js";
import type { Policy } from "../policy/policy.js";
import { rolloutSetup } from "../synthesize/rollout-setup.js";
import { synthesize } from "../synthesize/synthesize.js";
import type { Task } from "../synthesize/task.js";
import { calculatorTask, searchTask } from "../synthesize/tasks.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { calculator } from "../tools/calculator/index.js";
import { search } from "../tools/search/index.js";
import { checkTrackers } from "../trackers/tracking.js";
import { checkSftOptions } from "../train/sft.js";
import { resolveTrainOptions } from "../train/train-options.js";
import { checkVote } from "../voting/vote.js";
import type { Config } from "./config-schema.js";
import { defined } from "./defined.js";
import { combined } from "./open-judge.js";
import { sftSection } from "./sections.js";
import { required, type Session } from "./session.js";
import { trackingOf } from "./tracking.js";
import { trainRewards } from "./train-rewards.js";

export type Work = "sft" | "synthesize" | "judge" | "filter" | "train" | "evaluate" | "solve" | "logprobs";

/** Whether the command does one of these. */
export type Does = (...works: Work[]) => boolean;

/** Placeholders for live objects in option schemas: enough to check the other options, and never called. */
const NEVER = () => {
  throw new SwirlError("INTERNAL", "a preflight check called what it only checks");
};
const ANY_POLICY = { id: "any", begin: NEVER, act: NEVER, extend: NEVER, update: NEVER, logprobs: NEVER };
const ANY_JUDGE: Judge = { id: "any", judge: NEVER };
const ANY_TASK = { name: "any", matcher: { id: "any", match: NEVER } } as unknown as Task;

/** Checks the options of the stages, and of combinations of them. @throws SwirlError CONFIG */
export async function checkOptions(
  session: Session,
  does: Does,
  judges: readonly ("judge" | "rewardJudge")[],
): Promise<void> {
  const { config } = session;
  if (config.trackers.length > 0 && does("sft", "train", "evaluate"))
    await checkTrackers({ stage: "train", ...trackingOf(session, "train") });
  if (does("sft")) checkSftOptions(sftSection(session));
  if (does("evaluate")) checkVote({ ...config.evaluate, judge: ANY_JUDGE }, "config evaluate");
  for (const which of judges) {
    const judge = config[which];
    if (judge.kind === "combined")
      combined(
        judge,
        judge.judges.map(() => ANY_JUDGE),
      );
  }
  if (does("train")) {
    const { checkpoints: _, reference: __, klWeight, rewards: ___, ...options } = config.train;
    resolveTrainOptions({
      ...defined(options),
      policy: ANY_POLICY as unknown as NativePolicy,
      ...(klWeight > 0 ? { reference: ANY_POLICY as unknown as NativePolicy } : {}),
      klWeight,
      maxNewTokens: config.rollout.maxNewTokens,
      ...trainRewards(config, ANY_JUDGE, ANY_TASK),
      trajectories: [],
    });
  }
  const { equalN, kind } = config.filter;
  const questions = config.questions.train?.limit;
  if (equalN === undefined || questions === undefined || !does("synthesize", "filter")) return;
  const pool = questions * config.synthesize.samples;
  if (equalN > pool)
    throw new SwirlError(
      "CONFIG",
      `config filter.equalN: the ${kind} filter cannot keep ${equalN} of ${pool} trajectories`,
      {
        remedy: "lower equalN, or raise questions.train.limit or synthesize.samples",
        details: { field: "filter.equalN" },
      },
    );
}

/** Checks that the model's context and template can do what the rollout asks. @throws SwirlError */
export function checkRollouts(config: Config, does: Does, tokenizer: Tokenizer, contextLength: number): void {
  if (!does("synthesize", "evaluate", "solve", "sft")) return;
  const policy: Policy = {
    ...ANY_POLICY,
    exact: true,
    contextLength,
    begin: (messages, tools) => ({
      messages: [...messages],
      tokens: tokenizer.chat.renderPrompt(messages, tools),
    }),
    dispose: async () => {},
  };
  const task = emptyTask(config);
  const options = defined(config.rollout);
  if (does("synthesize"))
    synthesize([], { ...options, ...config.synthesize, policy, task, seed: config.seed });
  rolloutSetup(policy, task, { ...config.rollout, temperature: 0, seed: config.seed });
}

/** The config's task with an index that holds nothing. */
function emptyTask(config: Config): Task {
  const task = required(config, "task");
  const { callLimit } = task;
  if (task.kind === "calculator") return calculatorTask(calculator(), { callLimit });
  return searchTask(search({ search: () => [] }, { topK: task.topK }), { callLimit });
}
