/**
 * Rewards that are summed with weights, each logged by its name: a judge of steps, a reward that plays a fresh action
 * to its end, or the recorded outcome of a logged one. `judge` and `reward` of `train` are short for a single one.
 */
import { z } from "zod";
import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { matcherSchema } from "../answers/match-answer.js";
import { type Judge, judgeSchema } from "../judge/judge.js";
import type { Rewards } from "./advantages.js";
import { OUTCOME_CREDITS, outcomeCredit, returnsToGo, STEP_CREDITS } from "./credit.js";
import { refuse } from "./loss-options.js";
import type { Reward } from "./reward.js";
import type { REWARD_MAPS, RewardMap } from "./reward-map.js";
import type { TrainingState } from "./states.js";

export const rewardSchema = z.custom<Reward>(
  (value) => {
    const { score, id } = (value ?? {}) as Partial<Reward>;
    return typeof score === "function" && typeof id === "string" && id !== "";
  },
  { message: "must be a Reward (outcomeReward({ task }), or an object with id and score())" },
);

/** The options of a part that a config file can have as well. */
export const partShape = {
  /** In the metrics: rewards/NAME/mean. */
  name: z.string().regex(/^[\w.+-]+$/, "must be of letters, digits, _ . + -"),
  /** 0 only logs it. */
  weight: z.number().default(1),
  /** Of logged actions; see credit.ts. "step" for a judge, "equal" for an outcome. */
  credit: z.enum([...STEP_CREDITS, ...OUTCOME_CREDITS]).optional(),
  /** γ of "return-to-go" and "discounted". 1. */
  discount: z.number().gt(0).max(1).optional(),
} as const;

/** One of several rewards: exactly one of `judge`, `reward` and `outcome`. */
export interface RewardPartOptions {
  /** In the metrics: rewards/NAME/mean and /std. Letters, digits, _ . + - */
  name: string;
  /** Factor in the sum; 0 only logs it. @default 1 */
  weight?: number | undefined;
  /**
   * How logged actions get credit (see src/train/credit.ts); "step" for a judge and "equal" for an outcome unless
   * given.
   */
  credit?: (typeof STEP_CREDITS | typeof OUTCOME_CREDITS)[number] | undefined;
  /** Discount γ of "return-to-go" and "discounted", above 0 and at most 1; 1 unless given. */
  discount?: number | undefined;
  /** Judges each step. */
  judge?: Judge | undefined;
  /** Scores fresh actions, given the whole state. */
  reward?: Reward | undefined;
  /** Compares the recorded answer with the gold one. */
  outcome?: AnswerMatcher | undefined;
}

export const rewardPartSchema = z.strictObject({
  ...partShape,
  judge: judgeSchema.optional(),
  reward: rewardSchema.optional(),
  /** Compares the recorded answer with the gold one. */
  outcome: matcherSchema.optional(),
});

export interface RewardPart {
  name: string;
  weight: number;
  id: string;
  judge?: Judge | undefined;
  reward?: Reward | undefined;
  outcome?: AnswerMatcher | undefined;
  credit: (typeof STEP_CREDITS | typeof OUTCOME_CREDITS)[number];
  discount: number;
  rewardMap: RewardMap;
}

interface PartsInput {
  judge?: Judge | undefined;
  reward?: Reward | undefined;
  rewards?: readonly z.output<typeof rewardPartSchema>[] | undefined;
  actions: "fresh" | "logged";
  group: "trajectory" | "question" | "state";
  rewardMap: (typeof REWARD_MAPS)[number];
}

export function resolveParts(options: PartsInput): RewardPart[] {
  const { judge, reward, rewards, rewardMap } = options;
  const logged = options.actions === "logged";
  const sources = [judge, reward, rewards].filter((source) => source !== undefined).length;
  if (sources !== 1)
    throw refuse(
      "judge",
      sources === 0 ? "and reward are neither given" : "and reward are both given, or rewards besides",
      "give one of judge, reward and rewards",
    );
  if (logged && reward)
    throw refuse("reward", 'does nothing with actions "logged"', 'give a judge, or actions: "fresh"');
  if (!rewards) {
    const id = (judge ?? reward)!.id;
    return [{ name: "judge", weight: 1, id, judge, reward, credit: "step", discount: 1, rewardMap }];
  }
  const names = rewards.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw refuse("rewards", `has "${twice}" twice`, "give each a name of its own");
  if (rewards.every(({ weight }) => weight === 0))
    throw refuse("rewards", "all have weight 0", "give at least one a weight");
  return rewards.map((part, i) => resolvePart(part, `rewards[${i}]`, options, logged));
}

function resolvePart(
  part: z.output<typeof rewardPartSchema>,
  field: string,
  { group, rewardMap }: PartsInput,
  logged: boolean,
): RewardPart {
  const { judge, reward, outcome } = part;
  const given = [judge, reward, outcome].filter((source) => source !== undefined);
  if (given.length !== 1)
    throw refuse(field, `has ${given.length} of judge, reward and outcome`, "give it one of them");
  if (logged && reward)
    throw refuse(
      `${field}.reward`,
      'does nothing with actions "logged"',
      "give `outcome`, a matcher of answers",
    );
  if (!logged && outcome)
    throw refuse(
      `${field}.outcome`,
      "is for recorded answers, and a fresh action has none",
      "use reward: outcomeReward({ task })",
    );
  const credit = part.credit ?? (outcome ? "equal" : "step");
  const allowed: readonly string[] = outcome ? OUTCOME_CREDITS : logged ? STEP_CREDITS : ["step"];
  if (!allowed.includes(credit))
    throw refuse(
      `${field}.credit`,
      `is "${credit}"; it can be ${allowed.join(", ")} here`,
      "fresh actions are never executed: only logged ones have later steps",
    );
  const discounts = credit === "discounted" || credit === "return-to-go";
  if (!discounts && part.discount !== undefined)
    throw refuse(`${field}.discount`, `does nothing with credit "${credit}"`, "leave it out");
  if (credit === "discounted" && (part.discount ?? 1) === 1)
    throw refuse(
      `${field}.discount`,
      '"discounted" needs a discount below 1',
      'give one, or use credit "equal"',
    );
  if (credit === "return-to-go" && group === "state")
    throw refuse("group", '"state" does not keep the steps of a trajectory together', 'use "trajectory"');
  const { id } = given[0] as { id: string };
  return { ...part, id, credit, discount: part.discount ?? 1, rewardMap };
}

/**
 * Rewards of one part, with its credit applied. `states`: those of the rows; they include all steps of each trajectory.
 */
export function credited(part: RewardPart, rewards: Rewards, states: readonly TrainingState[]): Rewards {
  if (part.credit === "step") return rewards;
  if (part.credit !== "return-to-go") {
    const credit = part.credit;
    return rewards.map((row, i) => {
      const { step, trajectory } = states[i]!;
      const steps = trajectory.steps.length;
      return row.map((outcome) =>
        outcome === undefined ? undefined : outcomeCredit(outcome, step, steps, credit, part.discount),
      );
    });
  }
  const rows = rewards.map((row) => [...row]);
  const trajectories = new Map<string, number[]>();
  for (const [i, { trajectoryId }] of states.entries())
    trajectories.set(trajectoryId, [...(trajectories.get(trajectoryId) ?? []), i]);
  for (const indices of trajectories.values()) {
    indices.sort((a, b) => states[a]!.step - states[b]!.step);
    const returns = returnsToGo(
      indices.map((i) => rewards[i]![0]),
      part.discount,
    );
    for (const [k, i] of indices.entries()) rows[i] = [returns[k]];
  }
  return rows;
}

/** Σ weight · reward; `undefined` where any of them is, since part of a reward is another reward. */
export function weightedSum(parts: readonly { weight: number }[], rewards: readonly Rewards[]): Rewards {
  const [first, ...others] = rewards;
  const scale = (reward: number | undefined, weight: number) =>
    reward === undefined ? undefined : weight === 1 ? reward : weight * reward;
  return first!.map((row, i) =>
    row.map((reward, j) =>
      others.reduce<number | undefined>(
        (sum, table, k) => {
          const next = scale(table[i]![j], parts[k + 1]!.weight);
          return sum === undefined || next === undefined ? undefined : sum + next;
        },
        scale(reward, parts[0]!.weight),
      ),
    ),
  );
}
