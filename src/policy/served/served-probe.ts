/**
 * Compares a server's log-probs with those of a reference: the server samples, the reference scores the same ids. A
 * server whose weights, adapter or report differ is refused before its first trajectory.
 */
import { SwirlError } from "../../errors/swirl-error.js";
import type { NativeCompletion } from "../../native/addon.js";
import type { NativePolicy } from "../native-policy.js";
import type { Sequence } from "../sequences.js";
import type { CompletionRequest } from "./serving-api.js";

/** How far the log-probs of a server are from those of the reference. */
export interface ServedProbe {
  /** Host and path of the server. */
  server: string;
  /** Tokens compared. 0: there was no reference, and only the form of the reply was checked. */
  tokens: number;
  /** Mean of the absolute differences, in nats. */
  mean: number;
  /** Largest difference, in nats. */
  max: number;
}

export interface ProbeSample {
  prompt: Int32Array;
  tokens: Int32Array;
  /** As the server reports them. */
  logprobs: Float32Array;
}

export interface ProbeLimits {
  maxMean: number;
  maxDifference: number;
}

/** Replies that a probe asks a server for at most. */
const MOST_SAMPLES = 16;

/** Completions of one prompt, until they have `count` tokens together. */
export async function probeSamples(
  complete: (request: CompletionRequest) => Promise<NativeCompletion>,
  {
    prompt,
    stopTokens,
    contextLength,
  }: { prompt: Int32Array; stopTokens: Int32Array; contextLength: number },
  count: number,
): Promise<ProbeSample[]> {
  const samples: ProbeSample[] = [];
  let left = count;
  for (let seed = 1; left > 0 && seed <= MOST_SAMPLES; seed++) {
    const { tokens, logprobs } = await complete({
      prompt,
      maxNewTokens: Math.max(1, Math.min(left, contextLength - prompt.length - 1)),
      temperature: 1,
      topK: 0,
      topP: 1,
      stopStrings: [],
      stopTokens,
      seed,
    });
    samples.push({ prompt, tokens, logprobs });
    left -= tokens.length;
  }
  return samples;
}

/** @throws SwirlError CONFIG above a limit, with the causes that the numbers speak for. */
export async function compareWithReference(
  server: string,
  samples: readonly ProbeSample[],
  reference: NativePolicy,
  limits: ProbeLimits,
): Promise<ServedProbe> {
  const scored = await score(reference, samples);
  const { mean, max, tokens } = distance(samples, scored);
  if (mean <= limits.maxMean && max <= limits.maxDifference) return { server, tokens, mean, max };
  const causes = await likelyCauses(samples, scored, reference, limits);
  throw new SwirlError(
    "CONFIG",
    `server ${server}: its log-probs are not those of ${reference.id}: over ${tokens} tokens they differ by ` +
      `${mean.toFixed(4)} nats in the mean (limit ${limits.maxMean}) and ${max.toFixed(3)} at most (limit ${limits.maxDifference})`,
    {
      remedy: `${causes.join("; or ")}. Training on such log-probs would use a wrong signal`,
      details: { field: "servers", server, mean, max },
    },
  );
}

async function score(policy: NativePolicy, samples: readonly ProbeSample[]): Promise<Float32Array[]> {
  return await policy.logprobs(
    samples.map(
      ({ prompt, tokens }): Sequence => ({ tokens: [...prompt, ...tokens], actionStart: prompt.length }),
    ),
  );
}

/** Of the differences between a sample's log-prob of token t + shift and the reference's of token t. */
function distance(
  samples: readonly ProbeSample[],
  scored: readonly Float32Array[],
  shift = 0,
): { mean: number; max: number; tokens: number } {
  let [sum, max, tokens] = [0, 0, 0];
  for (const [i, { logprobs }] of samples.entries()) {
    const reference = scored[i]!;
    for (let t = Math.max(0, -shift); t < reference.length && t + shift < logprobs.length; t++) {
      const difference = Math.abs(logprobs[t + shift]! - reference[t]!);
      sum += difference;
      max = Math.max(max, difference);
      tokens++;
    }
  }
  return { mean: tokens === 0 ? Number.POSITIVE_INFINITY : sum / tokens, max, tokens };
}

/** The most certain first. */
async function likelyCauses(
  samples: readonly ProbeSample[],
  scored: readonly Float32Array[],
  reference: NativePolicy,
  { maxMean }: ProbeLimits,
): Promise<string[]> {
  const { mean } = distance(samples, scored);
  const shift = [-1, 1].find((by) => {
    const shifted = distance(samples, scored, by);
    return shifted.tokens >= 4 && shifted.mean <= maxMean;
  });
  if (shift !== undefined)
    return [
      `the log-probs are shifted by one token (those of token t stand at t ${shift < 0 ? "-" : "+"} 1): a server or a gateway that echoes the prompt`,
    ];
  if (reference.adapterName !== undefined) {
    const ofBase = distance(samples, await score(reference.base, samples)).mean;
    if (ofBase <= maxMean)
      return ["the server answers with the base model: load the adapter on it and give its name as `model`"];
  }
  return [
    ...(mean < 0.5
      ? [
          "the server's weights are quantized or of another precision: serve bfloat16 or float32, or raise the limits",
        ]
      : []),
    "the server has other weights: another model, an adapter that is not loaded, or an older version of it",
    "its tokenizer or chat template puts other ids before the prompt",
  ];
}
