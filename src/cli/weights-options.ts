/**
 * How a command loads a folder of weights: a model, with a new adapter where the config has `lora` and it is to be
 * trained; or an adapter, on the base that its config names, else on the config's `base` or `model`.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { isAdapterFolder } from "../policy/lora/adapter-config.js";
import type { LoraSettings } from "../policy/lora/lora-options.js";
import { type ResolvedWeights, resolveWeights } from "../policy/lora/resolve-weights.js";
import { modelFolder } from "../policy/model-folder.js";
import type { Config } from "./config-schema.js";

/** Options of Policy.load. */
export interface WeightsOptions {
  lora?: LoraSettings;
  base?: string;
}

export async function weightsOptions(
  { lora, base, model }: Pick<Config, "lora" | "base" | "model">,
  folder: string,
  trainable: boolean,
): Promise<WeightsOptions> {
  if (!(await isAdapterFolder(await modelFolder(folder)))) return trainable && lora ? { lora } : {};
  if (base !== undefined) return { base };
  try {
    await resolveWeights(folder, {});
    return {};
  } catch (error) {
    // An adapter of this run, whose base was moved: its hash says whether the config's model is that base.
    const unknownBase = SwirlError.isInstance(error) && error.details.field === "base_model_name_or_path";
    if (!unknownBase || model === undefined || (await isAdapterFolder(await modelFolder(model)))) throw error;
    return { base: model };
  }
}

/** The folders behind a folder of weights. */
export async function weightsBehind(
  config: Pick<Config, "lora" | "base" | "model">,
  folder: string,
  trainable: boolean,
): Promise<ResolvedWeights> {
  return await resolveWeights(folder, await weightsOptions(config, folder, trainable));
}
