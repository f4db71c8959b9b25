/** Samples one action of a rollout, and checks what the policy returned before anything relies on it. */
import { inspect } from "node:util";
import { SwirlError } from "../errors/swirl-error.js";
import type { Action, Context } from "../policy/policy.js";
import { stopStrings } from "./action-format.js";
import type { RolloutSetup } from "./rollout-setup.js";

const FINISH_REASONS: readonly Action["finishReason"][] = ["stop", "eos", "length"];

/**
 * @throws SwirlError CONFIG when act() does not return actions, ENDPOINT for an unknown finish reason, NUMERICS for a
 * log-prob that is not finite; and whatever the policy throws.
 */
export async function sampleAction(
  { policy, format, options }: RolloutSetup,
  context: Context,
  maxNewTokens: number,
  seed: number,
  signal: AbortSignal | undefined,
): Promise<Action> {
  const actions: unknown = await policy.act(context, {
    n: 1,
    maxNewTokens,
    temperature: options.temperature,
    topK: options.topK,
    topP: options.topP,
    stop: stopStrings(format),
    seed,
    ...(signal && { signal }),
  });
  const action = Array.isArray(actions) ? (actions[0] as Action | null | undefined) : undefined;
  if (typeof action?.text !== "string") {
    throw new SwirlError(
      "CONFIG",
      `policy ${policy.id}: act() returned ${inspect(actions, { depth: 1 }).slice(0, 200)}`,
      {
        remedy: 'act() must resolve to a list of actions: [{ text: "…", finishReason: "stop" }]',
        details: { field: "policy" },
      },
    );
  }
  if (!FINISH_REASONS.includes(action.finishReason)) {
    const said = JSON.stringify(action.finishReason) ?? "missing";
    throw new SwirlError(
      "ENDPOINT",
      `policy ${policy.id}: finishReason is ${said}, so the action may be unfinished`,
      {
        remedy: `finishReason must be ${FINISH_REASONS.join(", ")}; act() must reject when the action is incomplete`,
      },
    );
  }
  const bad = action.logprobs?.findIndex((logprob) => !Number.isFinite(logprob)) ?? -1;
  if (bad >= 0) {
    throw new SwirlError(
      "NUMERICS",
      `policy ${policy.id}: the log-prob of sampled token ${bad} is ${action.logprobs![bad]}`,
      {
        remedy: "its weights hold NaN or Inf: load an earlier checkpoint",
      },
    );
  }
  return action;
}
