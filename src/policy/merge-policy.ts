/** Merges the adapter of a native policy into its base, and scores a probe before and after. */
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import type { LoadedModel, Weights } from "./loaded-model.js";
import { compareLogprobs, mergeAdapter } from "./lora/merge-adapter.js";
import {
  type GenerateOptions,
  type LoadOptions,
  type LogprobsOptions,
  type MergeOptions,
  type MergeReport,
  mergeOptionsSchema,
} from "./native-options.js";
import { type Sequence, toSequences } from "./sequences.js";

interface Scorer {
  logprobs(sequences: readonly Sequence[], options: LogprobsOptions): Promise<Float32Array[]>;
}

interface Merging extends Scorer {
  generate(prompts: { tokens: number[] }[], options: GenerateOptions): Promise<{ tokens: Int32Array }[][]>;
}

/** `load`: opens the merged folder. */
export async function mergePolicy(
  policy: Merging,
  model: LoadedModel,
  weights: Weights,
  dir: string,
  options: MergeOptions,
  load: (dir: string, options: LoadOptions) => Promise<Scorer & AsyncDisposable>,
): Promise<MergeReport> {
  const parsed = parseOptions(mergeOptionsSchema, options, "merge");
  const { dtype, signal, probe = await sampleProbe(policy, model) } = parsed;
  const { adapter } = weights;
  if (!adapter)
    throw new SwirlError("CONFIG", `merge: ${weights.name} has no adapter`, {
      remedy: "save it: its weights are whole",
      details: { field: "adapter" },
    });
  const sequences = probe === false ? [] : toSequences(probe, "probe");
  const watched = signal === undefined ? {} : { signal };
  const before = sequences.length > 0 ? await policy.logprobs(sequences, watched) : [];
  await mergeAdapter(model.checkpoint, adapter.modules, weights.view, dir, {
    ...watched,
    ...(dtype === undefined ? {} : { dtype }),
  });
  if (sequences.length === 0) return compareLogprobs([], []);
  const { device, dtype: products, threads } = model.options;
  await using merged = await load(dir, { device, dtype: products, threads, trainable: false });
  return compareLogprobs(before, await merged.logprobs(sequences, watched));
}

/** Text that the policy samples, from the beginning-of-text token if there is one. */
async function sampleProbe(policy: Merging, model: LoadedModel): Promise<Sequence[]> {
  const { bos_token_id: bos } = model.checkpoint.config.json;
  const prompt = [typeof bos === "number" ? bos : 0];
  const [completions] = await policy.generate([{ tokens: prompt }], { n: 4, maxNewTokens: 32, seed: 0 });
  return completions!.map(({ tokens }) => ({ tokens: [...prompt, ...tokens], actionStart: 1 }));
}
