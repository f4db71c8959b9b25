/** The weights that a native policy is made of: those of a model, or of an adapter on one. */
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { LoadedModel, type Weights } from "./loaded-model.js";
import { resolveWeights } from "./lora/resolve-weights.js";
import { modelFolder, pulledModelFolder } from "./model-folder.js";
import {
  type AdapterOptions,
  adapterOptionsSchema,
  type LoadOptions,
  loadOptionsSchema,
} from "./native-options.js";
import { watchedCall } from "./watching.js";

/** Opens the model of a folder, and its adapter if it has one. On an error nothing stays open. */
export async function openWeights(
  dir: string,
  options: LoadOptions,
): Promise<{ model: LoadedModel; weights: Weights; trainable: boolean }> {
  const { signal, onProgress, lora, adapter, base, trainable, ...modelOptions } = parseOptions(
    loadOptionsSchema,
    options,
    "Policy.load",
  );
  const place = await pulledModelFolder(dir, signal);
  const found = await resolveWeights(place, { lora, adapter, base });
  const frozen = found.adapter !== undefined;
  if (frozen && modelOptions.optimizerState === "compact")
    throw new SwirlError(
      "CONFIG",
      `Policy.load: optimizerState "compact" is for all weights, not for an adapter`,
      {
        remedy: "leave it out: an adapter's state is small",
        details: { field: "optimizerState" },
      },
    );
  const model = await LoadedModel.open(
    found.model,
    { ...modelOptions, trainable: trainable && !frozen },
    watchedCall(signal, onProgress),
  );
  try {
    const weights = found.adapter
      ? await model.addAdapter("default", found.adapter, { trainable, signal })
      : model.base;
    return { model, weights, trainable };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Adds an adapter to an open model. */
export async function openAdapterWeights(
  model: LoadedModel,
  name: string,
  options: AdapterOptions,
): Promise<{ weights: Weights; trainable: boolean }> {
  const { lora, adapter, trainable, signal } = parseOptions(adapterOptionsSchema, options, "adapter");
  if (model.options.trainable) throw trainsAllWeights("adapter", model.base.name);
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name))
    throw new SwirlError("INPUT", `adapter: ${JSON.stringify(name)} is not a valid name`, {
      remedy: "use 1 to 64 letters, digits, _, - and .",
      details: { field: "name" },
    });
  if ((lora === undefined) === (adapter === undefined))
    throw new SwirlError("CONFIG", "adapter: needs lora or adapter, one of them", {
      remedy: "give lora: {} for a new adapter, or adapter: FOLDER",
      details: { field: "lora" },
    });
  const source = lora ? { lora } : { folder: await modelFolder(adapter!) };
  return { weights: await model.addAdapter(name, source, { trainable, signal }), trainable };
}

/** The error of a call that needs a frozen base. */
export function trainsAllWeights(what: string, policy: string): SwirlError {
  return new SwirlError("CONFIG", `${what}: the policy ${policy} trains all weights`, {
    remedy: "load it with lora or adapter, or with trainable: false, so that its base stays as it is",
    details: { field: what },
  });
}
