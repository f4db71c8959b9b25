/**
 * What is found out about a trainer before anything is trained on it, on a model that is thrown away: that the tokenizer is
 * the base model's, how losses are reduced, whether gradients are clipped, and whether a request can be repeated.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { probeClipping } from "../tinker/clipping-probe.js";
import { scoringDatum } from "../tinker/datum.js";
import { type Reduction, reductionFactors } from "../tinker/reduction.js";
import { probeReduction } from "../tinker/reduction-probe.js";
import type { TrainingClient } from "../tinker/training-client.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

export interface TrainerFacts {
  reduction: Reduction;
  /** cross_entropy with weights of either sign is -Σ weights·log π, reduced in the same way. */
  crossEntropy: boolean;
  clipsGradients: boolean;
  recognizesRepeats: boolean;
}

/** Text that every language model finds likely. */
const TEXT =
  "The sun rises in the east and sets in the west. Water boils at one hundred degrees. Paris is the capital of France, " +
  "and Rome is the capital of Italy. A week has seven days, and a year has twelve months. Two and two is four.";
const TOKENS = 48;
/** Nats per token below which the ids cannot be those of the model's own tokenizer: a vocabulary of 32,000 drawn blindly has 10.4. */
const UNLIKELY = -9;

export function probeText(tokenizer: Tokenizer): Int32Array {
  return tokenizer.encode(TEXT).slice(0, TOKENS);
}

/** Rejects with CONFIG when the tokenizer is another model's, or the reduction cannot be found. */
export async function probeTrainer(
  client: TrainingClient,
  tokenizer: Tokenizer,
  known: { reduction?: Reduction | undefined; clipsGradients: boolean },
  signal: AbortSignal | undefined,
): Promise<TrainerFacts> {
  const text = probeText(tokenizer);
  await requireTokenizer(client, text, tokenizer.file, signal);
  const recognizesRepeats = await client.probeRepeats(
    [scoringDatum({ tokens: text.slice(0, 8), actionStart: 1 })],
    signal,
  );
  if (known.reduction)
    return {
      reduction: known.reduction,
      crossEntropy: false,
      clipsGradients: known.clipsGradients,
      recognizesRepeats,
    };
  const { reduction, crossEntropy } = await probeReduction(client, text);
  const [[factor]] = reductionFactors(reduction, [[13]]) as [[number]];
  const clipsGradients = await probeClipping(client, text, factor);
  return { reduction, crossEntropy, clipsGradients, recognizesRepeats };
}

async function requireTokenizer(
  client: TrainingClient,
  tokens: Int32Array,
  file: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [logprobs] = await client.forward([scoringDatum({ tokens, actionStart: 1 })], { signal });
  const mean = logprobs!.reduce((sum, logprob) => sum + logprob, 0) / logprobs!.length;
  if (mean >= UNLIKELY) return;
  throw new SwirlError(
    "CONFIG",
    `trainer ${client.session.http.host}: its base model gives plain English ${mean.toFixed(1)} nats per token as ${file} encodes it`,
    {
      remedy: "give the folder of the tokenizer that belongs to baseModel",
      details: { field: "tokenizer", file },
    },
  );
}
