/**
 * Resolves a folder of weights: a model, or an adapter together with its base. An adapter's config names its base; if
 * that is not a folder here, the option `base` gives one.
 */
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SwirlError } from "../../errors/swirl-error.js";
import { checkpointError, shown } from "../checkpoint/checkpoint-error.js";
import { expandHome, modelFolder } from "../model-folder.js";
import { isAdapterFolder, readAdapterConfig } from "./adapter-config.js";
import type { LoraSettings } from "./lora-options.js";

/** Where an adapter's weights come from: drawn, or a folder. */
export type AdapterSource = { lora: LoraSettings } | { folder: string };

export interface ResolvedWeights {
  /** Folder of the model. */
  model: string;
  adapter: AdapterSource | undefined;
}

/** Throws CONFIG for options that exclude each other, CHECKPOINT where there is no such folder. */
export async function resolveWeights(
  given: string,
  options: {
    lora?: LoraSettings | undefined;
    adapter?: string | undefined;
    base?: string | undefined;
  },
): Promise<ResolvedWeights> {
  const { lora, adapter, base } = options;
  if (lora && adapter !== undefined)
    throw exclusive(
      "lora",
      "and adapter are both given",
      "give lora for a new adapter, adapter to continue with one",
    );
  const folder = await modelFolder(given);
  if (await isAdapterFolder(folder)) {
    if (lora)
      throw exclusive(
        "lora",
        `cannot be used with ${given}, which is an adapter already`,
        "leave it out to continue with this adapter, or give a model",
      );
    if (adapter !== undefined)
      throw exclusive(
        "adapter",
        `cannot be used with ${given}, which is an adapter itself`,
        "give the base first",
      );
    return { model: await baseOf(folder, base), adapter: { folder } };
  }
  if (base !== undefined)
    throw exclusive(
      "base",
      `cannot be used with ${given}, which is a model`,
      "it is for the folder of an adapter",
    );
  if (adapter === undefined) return { model: folder, adapter: lora && { lora } };
  return { model: folder, adapter: { folder: await modelFolder(adapter) } };
}

async function baseOf(folder: string, base: string | undefined): Promise<string> {
  if (base !== undefined) return await modelFolder(base);
  const config = await readAdapterConfig(folder);
  if (config.base !== undefined) {
    const path = expandHome(config.base);
    for (const candidate of [resolve(path), resolve(folder, path)])
      if (await isModel(candidate)) return await modelFolder(candidate);
    // A name on the hub, which may have been downloaded.
    const cached = await modelFolder(config.base).catch(() => undefined);
    if (cached !== undefined) return cached;
  }
  throw checkpointError(
    config.file,
    `base_model_name_or_path is ${shown(config.base)}, which is not a model folder here`,
    'say where the base is: the option base of Policy.load, --base DIR, or "base" in the config',
    { field: "base_model_name_or_path", value: config.base },
  );
}

async function isModel(folder: string): Promise<boolean> {
  for (const name of ["config.json", "snapshots"])
    if (await stat(join(folder, name)).catch(() => undefined)) return true;
  return false;
}

function exclusive(field: string, problem: string, remedy: string): SwirlError {
  return new SwirlError("CONFIG", `${field} ${problem}`, { remedy, details: { field } });
}
