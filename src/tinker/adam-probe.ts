/**
 * Finds out whether a server can take the usual β₂ of Adam. SkyRL's JAX backend keeps Adam's constants in bfloat16, where 0.999
 * is 1: the bias correction is then 0, and the weights become NaN in the first step.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { gradientDatum, type ScoredTokens, scoringDatum } from "./datum.js";
import type { TrainingClient } from "./training-client.js";

/** What every server takes: the API's own default. */
export const SAFE_BETA2 = 0.95;
const USUAL_BETA2 = 0.999;

/** The largest β₂ that was seen to work. May leave NaN in the client's weights: for a model that is thrown away. */
export async function probeBeta2(client: TrainingClient, text: Int32Array): Promise<number> {
  const sequence: ScoredTokens = { tokens: text.slice(0, 14), actionStart: 6 };
  try {
    const [before] = await client.forward([scoringDatum(sequence)]);
    const datum = gradientDatum(sequence, [before![sequence.actionStart - 1]!], [1]);
    const adam = { learning_rate: 1e-6, beta1: 0.9, beta2: USUAL_BETA2, eps: 1e-8, weight_decay: 0 };
    await client.step([[datum]], adam, "importance_sampling", { retries: 1 });
    // NaN is no JSON: such an answer is an error of the server, or fails its check here.
    const [after] = await client.forward([scoringDatum(sequence)], { retries: 1 });
    return after!.every(Number.isFinite) ? USUAL_BETA2 : SAFE_BETA2;
  } catch (error) {
    if (SwirlError.isInstance(error) && error.code === "ENDPOINT") return SAFE_BETA2;
    throw error;
  }
}
