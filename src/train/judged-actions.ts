/**
 * The actions of one update with their rewards: sampled and judged, and, under dynamic sampling, sampled again at the
 * states whose actions all got the same reward (DAPO, arXiv 2503.14476, section 3.2), a bounded number of times.
 */
import type { Verdict } from "../judge/judge.js";
import type { Rewards } from "./advantages.js";
import type { Batch } from "./batches.js";
import { judgeActions, loggedSample, type Sample, sampleActions } from "./fresh-actions.js";
import { overlongPenalty } from "./overlong.js";
import { rewardOf } from "./reward-map.js";
import { credited, weightedSum } from "./reward-parts.js";
import type { TrainingState } from "./states.js";
import type { ResolvedTrainOptions } from "./train-options.js";

type OnDone = (done: number, total: number) => void;

export interface JudgedActions {
  actions: Sample[][];
  /** Per part, its verdicts [states][actions]. */
  verdicts: Verdict[][][];
  /** The weighted sum, overlong penalty included; undefined where a judgment failed. */
  rewards: Rewards;
  /** By name, before weights. */
  parts: Map<string, Rewards>;
  /** Draws beyond the first, over all states. */
  redrawn: number;
  /**
   * Under dynamic sampling: states whose last draw still got the same reward for all actions. They are left out of the
   * update.
   */
  uniform: boolean[];
  seconds: { sample: number; judge: number };
}

export async function judgedActions(
  options: ResolvedTrainOptions,
  batch: Batch,
  states: readonly TrainingState[],
  phase: (name: "sample" | "judge") => OnDone,
): Promise<JudgedActions> {
  const result = await draw(options, batch, states, phase, 0);
  const rounds = options.dynamicSampling ?? 0;
  if (rounds === 0) return result;
  for (let round = 1; ; round++) {
    const again = states.flatMap((_, i) => (isUniform(result.rewards[i]!) ? [i] : []));
    if (again.length === 0 || round > rounds) {
      result.uniform = states.map((_, i) => again.includes(i));
      return result;
    }
    const part = { ...batch, items: again.map((i) => batch.items[i]!) };
    replace(
      result,
      again,
      await draw(
        options,
        part,
        again.map((i) => states[i]!),
        phase,
        round,
      ),
    );
  }
}

/** Two or more actions that all got the same reward: with a group baseline they give no gradient. */
export function isUniform(row: readonly (number | undefined)[]): boolean {
  const known = row.filter((reward) => reward !== undefined);
  return known.length >= 2 && known.every((reward) => reward === known[0]);
}

async function draw(
  options: ResolvedTrainOptions,
  batch: Batch,
  states: readonly TrainingState[],
  phase: (name: "sample" | "judge") => OnDone,
  round: number,
): Promise<JudgedActions> {
  const started = performance.now();
  const actions =
    options.actions === "fresh"
      ? await sampleActions(options, batch, states, round, phase("sample"))
      : states.map((state) => [loggedSample(state)]);
  const sampled = performance.now();
  const verdicts: Verdict[][][] = [];
  const parts = new Map<string, Rewards>();
  for (const [index, part] of options.parts.entries()) {
    const scored = await judgeActions(
      options,
      { part, index, round },
      batch,
      states,
      actions,
      phase("judge"),
    );
    verdicts.push(scored);
    const raw = scored.map((row) => row.map((verdict) => rewardOf(verdict, part.rewardMap)));
    parts.set(part.name, credited(part, raw, states));
  }
  const weights: { weight: number }[] = [...options.parts];
  if (options.overlong) {
    const { overlong, maxNewTokens } = options;
    parts.set(
      "overlong",
      actions.map((row) => row.map(({ tokens }) => overlongPenalty(tokens.length, maxNewTokens, overlong))),
    );
    weights.push({ weight: 1 });
  }
  return {
    actions,
    verdicts,
    rewards: weightedSum(weights, [...parts.values()]),
    parts,
    redrawn: 0,
    uniform: states.map(() => false),
    seconds: { sample: sampled - started, judge: performance.now() - sampled },
  };
}

/** Replaces the rows of an earlier draw with those of a new one. */
function replace(result: JudgedActions, rows: readonly number[], drawn: JudgedActions): void {
  const rewards = [...result.rewards];
  for (const [k, i] of rows.entries()) {
    result.actions[i] = drawn.actions[k]!;
    rewards[i] = drawn.rewards[k]!;
    for (const [p, verdicts] of result.verdicts.entries()) verdicts[i] = drawn.verdicts[p]![k]!;
    for (const [name, table] of result.parts)
      result.parts.set(
        name,
        table.map((row, at) => (at === i ? drawn.parts.get(name)![k]! : row)),
      );
  }
  result.rewards = rewards;
  result.redrawn += rows.length;
  result.seconds.sample += drawn.seconds.sample;
  result.seconds.judge += drawn.seconds.judge;
}
