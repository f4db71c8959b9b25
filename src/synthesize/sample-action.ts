/** Samples one action of a rollout, and checks what the policy returned before anything relies on it. */
import { sampleActions } from "../policy/ask-policy.js";
import type { Action, Context } from "../policy/policy.js";
import { stopStrings } from "./action-format.js";
import type { RolloutSetup } from "./rollout-setup.js";

/** @throws SwirlError as {@link sampleActions}. */
export async function sampleAction(
  { policy, format, options }: RolloutSetup,
  context: Context,
  maxNewTokens: number,
  seed: number,
  signal: AbortSignal | undefined,
): Promise<Action> {
  const [action] = await sampleActions(policy, context, {
    n: 1,
    maxNewTokens,
    temperature: options.temperature,
    topK: options.topK,
    topP: options.topP,
    stop: stopStrings(format),
    seed,
    ...(signal && { signal }),
  });
  return action!;
}
