/**
 * One line of actions.jsonl: some of the fresh actions of an update, with their rewards and advantages, to be read by
 * people. It is a sample: at most STATES states, spread evenly over the batch, and about BYTES per update, so a run of
 * 1,000 updates writes some 64 MiB at most. Nothing reads it back into training. Pure.
 */
import type { Verdict } from "../judge/judge.js";
import { redact } from "../secrets/redact.js";
import type { Sample } from "./fresh-actions.js";
import type { JudgedActions } from "./judged-actions.js";
import type { TrainingState } from "./states.js";

export const ACTIONS_VERSION = 1;

/** States per update, and actions per state. */
const STATES = 8;
const ACTIONS = 8;
/** Characters of an action, and of a question, a judge's reason or an error. */
const TEXT = 2000;
const SHORT = 300;
/** Tokens of an action whose log-probs are kept. */
const TOKENS = 256;
const BYTES = 64 * 1024;

/** A fresh action: what was sampled, its reward and its advantage. */
export interface ActionRecord {
  /** The action as text; its first 2,000 characters. */
  text: string;
  /** Why sampling stopped. */
  finishReason: "stop" | "eos" | "length";
  /** The first 256 token ids. */
  tokens: number[];
  /** Log-prob of each of `tokens`, under the distribution it was sampled from; four decimals. */
  logprobs: number[];
  /** The reward, all parts and penalties included. Null if a judgment failed: the action is masked. */
  reward: number | null;
  /** The advantage that its log-probs were multiplied by in the loss. Null if the action was left out of the update. */
  advantage: number | null;
  /** Each of several rewards, by name, before weights. Absent with a single reward. */
  parts?: Record<string, number | null>;
  /** The verdict of the first reward; its reason and error truncated to 300 characters. */
  verdict: Verdict;
}

/** Fresh actions of one update: a line of actions.jsonl. */
export interface ActionsRecord {
  /** Version of the record. */
  version: typeof ACTIONS_VERSION;
  /** The update, from 1. */
  step: number;
  /** States in the update; `states` holds some of them. */
  batch: number;
  /** The recorded states. */
  states: {
    /** Id of the trajectory that the state is from. */
    trajectory: string;
    /** Id of the question. */
    questionId: string;
    /** Index of the state in its trajectory, from 0: the number of actions before it. */
    state: number;
    /** The first 300 characters of the question. */
    question: string;
    /** The recorded action at this state, for comparison; its first 2,000 characters. */
    recorded: string;
    /** Fresh actions in the update; `actions` holds the first 8. */
    samples: number;
    /** The fresh actions. */
    actions: ActionRecord[];
  }[];
}

/** `advantages` [states][actions]: undefined where an action was left out of the update. */
export function actionsRecord(
  step: number,
  states: readonly TrainingState[],
  judged: JudgedActions,
  advantages: readonly (readonly (number | undefined)[])[],
): ActionsRecord {
  const chosen = spread(states.length, STATES);
  const record: ActionsRecord = { version: ACTIONS_VERSION, step, batch: states.length, states: [] };
  let bytes = 0;
  for (const i of chosen) {
    const state = states[i]!;
    const row = judged.actions[i]!;
    const entry = {
      trajectory: cut(state.trajectory.id, SHORT),
      questionId: cut(state.questionId, SHORT),
      state: state.step,
      question: cut(state.view.question, SHORT),
      recorded: cut(state.view.action, TEXT),
      samples: row.length,
      actions: row.slice(0, ACTIONS).map((action, j) => one(action, judged, i, j, advantages[i]?.[j])),
    };
    bytes += Buffer.byteLength(JSON.stringify(entry));
    if (bytes > BYTES && record.states.length > 0) break;
    record.states.push(entry);
  }
  return redact(record);
}

function one(
  { text, tokens, logprobs }: Sample,
  { rewards, verdicts, parts }: JudgedActions,
  i: number,
  j: number,
  advantage: number | undefined,
): ActionRecord {
  return {
    text: cut(text.text, TEXT),
    finishReason: text.finishReason,
    tokens: [...tokens.subarray(0, TOKENS)],
    logprobs: Array.from(logprobs.subarray(0, TOKENS), (value) => Math.round(value * 1e4) / 1e4),
    reward: rewards[i]![j] ?? null,
    advantage: advantage ?? null,
    ...(parts.size > 1
      ? { parts: Object.fromEntries([...parts].map(([name, table]) => [name, table[i]![j] ?? null])) }
      : {}),
    verdict: brief(verdicts[0]![i]![j]!),
  };
}

function brief(verdict: Verdict): Verdict {
  if (verdict.status === "failed") return { ...verdict, error: cut(verdict.error, SHORT) };
  return verdict.reason === undefined ? verdict : { ...verdict, reason: cut(verdict.reason, SHORT) };
}

/** At most `most` of 0 … count - 1, evenly spread, the first among them. */
function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.floor((i * count) / most));
}

function cut(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}
