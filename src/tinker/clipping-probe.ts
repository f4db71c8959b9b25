/**
 * Finds out whether a server clips gradients to `grad_clip_norm`: some take the field and ignore it. One token's log-prob is
 * pushed down by about four nats, first with a tiny limit, then without one: it clips when only the second moves it.
 *
 * Adam with β = 0 and an ε far above the gradient moves the weights by lr·g/ε, so the step is as long as the gradient says.
 */
import { gradientDatum, type ScoredTokens, scoringDatum } from "./datum.js";
import type { AdamParams } from "./messages.js";
import { reportedNorm } from "./reduction-probe.js";
import type { TrainingClient } from "./training-client.js";

/** Nats that are a movement; bfloat16 log-probs are multiples of 1/16 or so. */
const MOVED = 0.5;
const PUSH = 4;

/**
 * Changes the client's weights: for a model that is thrown away. Rejects with ENDPOINT.
 *
 * @param factor What the reduction multiplies the gradient of a single datum of 13 elements with.
 */
export async function probeClipping(
  client: TrainingClient,
  text: Int32Array,
  factor: number,
): Promise<boolean> {
  const sequence: ScoredTokens = { tokens: text.slice(0, 14), actionStart: 6 };
  const logprob = async () => (await client.forward([scoringDatum(sequence)]))[0]![sequence.actionStart - 1]!;
  const start = await logprob();
  const calls = [[gradientDatum(sequence, [start], [-1])]];
  const still = { learning_rate: 0, beta1: 0, beta2: 0, eps: 1, weight_decay: 0 };
  const norm = reportedNorm((await client.step(calls, still, "importance_sampling")).metrics);
  if (norm === undefined || !(norm > 0)) return false;
  const eps = 100 * norm;
  const adam: AdamParams = { ...still, learning_rate: (PUSH * eps * factor) / norm ** 2, eps };
  await client.step(calls, { ...adam, grad_clip_norm: 1e-3 * norm }, "importance_sampling");
  if (Math.abs((await logprob()) - start) > MOVED) return false;
  await client.step(calls, adam, "importance_sampling");
  return Math.abs((await logprob()) - start) > MOVED;
}
