/**
 * A model that is loaded into an engine. Its weights are in memory once, however many policies use them. A frozen model
 * can have adapters, each with its own name and tensors in the engine.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";
import type { Dtype, ModelConfig } from "../native/addon.js";
import { Engine } from "../native/engine.js";
import { EngineView } from "../native/engine-view.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkVocabulary } from "../tokenizer/vocabulary.js";
import { type Checkpoint, loadWeights, openCheckpoint } from "./checkpoint/checkpoint.js";
import { checkpointError } from "./checkpoint/checkpoint-error.js";
import { writeEngineParts } from "./checkpoint/tensor-parts.js";
import { ADAPTER_WEIGHTS, adapterParts, openAdapter, type StoredAdapter } from "./lora/adapter-folder.js";
import { type AdapterModule, newModules } from "./lora/adapter-modules.js";
import { requireSameTokenizer } from "./lora/adapter-tokenizer.js";
import { initialA } from "./lora/initial-adapter.js";
import { loraSchema } from "./lora/lora-options.js";
import { projectionsOf } from "./lora/projections.js";
import type { AdapterSource } from "./lora/resolve-weights.js";
import { activationBytes, compactBytes, countParameters, stateBytes, weightBytes } from "./memory-needs.js";
import { gibibytes } from "./memory-report.js";

export interface ModelOptions {
  device: string;
  dtype: Dtype;
  threads: number;
  memoryBudget: number;
  /** Whether the base's own weights are trained. */
  trainable: boolean;
  optimizerState: "float32" | "compact";
  recompute: "auto" | "none" | "mlp" | "layers";
  profile: boolean;
  maxBatch: number;
  chatTemplate?: string | undefined;
  templateVariables?: Record<string, unknown> | undefined;
}

/** The weights of a policy: the base, or the base with an adapter. */
export interface Weights {
  view: EngineView;
  /** Their name in records: folders with content hashes. */
  name: string;
  adapter?: LoadedAdapter;
}

export interface LoadedAdapter {
  /** The adapter's name in the engine. */
  name: string;
  modules: readonly AdapterModule[];
  rsLora: boolean;
  /** Newly initialized, not loaded: it started out equal to the base. */
  isNew: boolean;
}

export class LoadedModel {
  readonly engine: Engine;
  readonly checkpoint: Checkpoint;
  /** SHA-256 of the weights as loaded. */
  readonly hash: string;
  readonly options: ModelOptions;
  readonly base: Weights;
  readonly tokenizer: Tokenizer | undefined;
  readonly #adapters = new Set<string>();
  #disposed = false;

  private constructor(
    engine: Engine,
    checkpoint: Checkpoint,
    tokenizer: Tokenizer | undefined,
    hash: string,
    options: ModelOptions,
  ) {
    this.engine = engine;
    this.checkpoint = checkpoint;
    this.hash = hash;
    this.options = options;
    const name = `${basename(resolve(checkpoint.folder))}@${hash.slice(0, 12)}`;
    this.base = { view: new EngineView(engine), name };
    this.tokenizer = tokenizer;
  }

  /** `folder`: a model folder. Throws CHECKPOINT, DEVICE, MEMORY. */
  static async open(
    folder: string,
    options: ModelOptions,
    call: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void },
  ): Promise<LoadedModel> {
    const checkpoint = await openCheckpoint(folder);
    const config = checkpoint.config.model;
    const tokenizer = await loadTokenizer(folder, options);
    if (tokenizer) checkVocabulary(tokenizer, config.vocab);
    const { device, dtype, threads, memoryBudget, trainable, optimizerState, recompute, profile } = options;
    const engine = await Engine.open({
      ...{ device, dtype, threads, memoryBudget, trainable, optimizerState, recompute, profile },
      config,
    });
    try {
      if (trainable) requireTrainingFits(folder, config, options, engine.memory().budget);
      const hash = await loadWeights(checkpoint, engine, call);
      return new LoadedModel(engine, checkpoint, tokenizer, hash, options);
    } catch (error) {
      engine.dispose();
      throw error;
    }
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Adds an adapter, completely or not at all. Throws CONFIG, CHECKPOINT, INPUT, MEMORY. */
  async addAdapter(
    name: string,
    source: AdapterSource,
    options: { trainable: boolean; signal?: AbortSignal | undefined },
  ): Promise<Weights> {
    const { model } = this.checkpoint.config;
    const stored = "folder" in source ? await this.#openAdapter(source.folder) : undefined;
    const modules = "lora" in source ? newModules(source.lora, model) : stored!.modules;
    if (this.#adapters.has(name))
      throw new SwirlError("INPUT", `there is an adapter ${JSON.stringify(name)} already`, {
        remedy: "give it another name, or dispose of the first",
        details: { field: "name" },
      });
    await this.engine.addAdapter(name, {
      modules: modules.map(({ name: module, rank, scale }) => ({ name: module, rank, scale })),
      trainable: options.trainable,
    });
    this.#adapters.add(name);
    const view = new EngineView(this.engine, name);
    const hash = createHash("sha256");
    try {
      for (const { name: module, rank, scale } of modules) hash.update(`${module} ${rank} ${scale}\n`);
      if (stored) await writeStored(stored, view, hash, options.signal);
      else if ("lora" in source) await this.#writeNew(modules, source.lora.seed, view, hash);
    } catch (error) {
      await this.removeAdapter(name).catch(() => {});
      throw error;
    }
    const label = stored ? basename(resolve(stored.folder)) : "lora";
    return {
      view,
      name: `${this.base.name}+${label}@${hash.digest("hex").slice(0, 12)}`,
      adapter: {
        name,
        modules,
        isNew: "lora" in source,
        rsLora: "lora" in source ? source.lora.rsLora : stored!.config.rsLora,
      },
    };
  }

  async removeAdapter(name: string): Promise<void> {
    await this.engine.removeAdapter(name);
    this.#adapters.delete(name);
  }

  dispose(): void {
    this.#disposed = true;
    this.engine.dispose();
  }

  async #openAdapter(folder: string): Promise<StoredAdapter> {
    const stored = await openAdapter(folder, this.checkpoint.config.model);
    if (stored.baseHash === undefined || stored.baseHash === this.hash) {
      const ownTemplate = this.options.chatTemplate !== undefined;
      await requireSameTokenizer(folder, this.checkpoint.folder, ownTemplate);
      return stored;
    }
    throw checkpointError(
      join(folder, ADAPTER_WEIGHTS),
      `was trained on a base with hash ${stored.baseHash.slice(0, 12)}; ${this.checkpoint.folder} has hash ${this.hash.slice(0, 12)}`,
      `load it on the base it was trained on${stored.config.base ? `, ${stored.config.base}` : ""}`,
      { field: "base_model_name_or_path", value: stored.config.base },
    );
  }

  /** Draws A of a new adapter from the seed; B is zero. */
  async #writeNew(
    modules: readonly AdapterModule[],
    seed: number,
    view: EngineView,
    hash: { update(data: Uint8Array): unknown },
  ): Promise<void> {
    const index = new Map(projectionsOf(this.checkpoint.config.model).map(({ name }, i) => [name, i]));
    for (const module of modules) {
      const values = initialA(module, index.get(module.name)!, module.rank, seed);
      const bytes = new Uint8Array(values.buffer);
      hash.update(bytes);
      await view.writeTensor(`${module.name}.lora_A.weight`, "weight", "float32", bytes);
    }
  }
}

/** Checks, before the weights are read, that the memory is enough for the smallest possible update. */
function requireTrainingFits(
  folder: string,
  config: ModelConfig,
  { dtype, optimizerState }: Pick<ModelOptions, "dtype" | "optimizerState">,
  budget: number,
): void {
  const counts = countParameters(config);
  const compact = optimizerState === "compact";
  const weights = compact ? 2 * (counts.matrices + counts.vectors) : weightBytes(counts, dtype, true);
  const state = compact ? compactBytes(counts) - weights : stateBytes(counts);
  const least = weights + state + activationBytes(config, dtype, 2, 1, "layers");
  if (least <= budget) return;
  const adapter = countParameters(config, newModules(loraSchema.parse({}), config));
  const small = weightBytes(adapter, "bfloat16", true) + stateBytes(adapter);
  throw new SwirlError(
    "MEMORY",
    `${folder} cannot be trained here: weights ${gibibytes(weights)}, gradients and optimizer state ${gibibytes(state)}; the budget is ${gibibytes(budget)}`,
    {
      remedy: `train an adapter (lora: {}), which takes ${gibibytes(small)} at rank 8 in bfloat16; trainable: false is for sampling and scoring alone; \`swirl doctor --model ${folder}\` shows every part`,
      details: { field: "memoryBudget", bytes: least, budget },
    },
  );
}

async function writeStored(
  { tensors }: StoredAdapter,
  view: EngineView,
  hash: { update(data: Uint8Array): unknown },
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const [name, tensor] of tensors) {
    const dtype = tensor.entry.dtype === "BF16" ? "bfloat16" : "float32";
    async function* parts() {
      for await (const part of adapterParts(tensor)) {
        if (signal?.aborted) throw new SwirlError("ABORTED", `loading ${tensor.file.path} was aborted`);
        hash.update(part);
        yield part;
      }
    }
    await writeEngineParts(view, { name, kind: "weight", dtype }, parts()).catch((cause) => {
      if (!SwirlError.isInstance(cause) || cause.code !== "NUMERICS") throw cause;
      throw checkpointError(
        tensor.file.path,
        `tensor ${tensor.entry.name} holds a weight that is not finite (${cause.details.value})`,
        "the run that saved it had diverged: load an earlier one",
        { tensor: tensor.entry.name },
      );
    });
  }
}

async function loadTokenizer(
  folder: string,
  { chatTemplate, templateVariables }: Pick<ModelOptions, "chatTemplate" | "templateVariables">,
): Promise<Tokenizer | undefined> {
  const there = await stat(join(folder, "tokenizer.json")).then(
    () => true,
    () => false,
  );
  if (!there) return undefined;
  return await Tokenizer.load(folder, {
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(templateVariables === undefined ? {} : { templateVariables }),
  });
}
