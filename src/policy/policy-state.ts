/** The state of a native policy, from which it can be restored: weights, gradients, moments and step; and its name. */
import { SwirlError } from "../errors/swirl-error.js";
import type { Dtype, ParameterInfo, TensorKind } from "../native/addon.js";
import type { EngineView } from "../native/engine-view.js";
import { saveCheckpoint } from "./checkpoint/save-checkpoint.js";
import { elements, engineParts, joined } from "./checkpoint/tensor-parts.js";
import type { LoadedModel, Weights } from "./loaded-model.js";
import { saveAdapter } from "./lora/save-adapter.js";
import { loadOptimizerState, saveOptimizerState } from "./optimizer-state.js";
import { toFloats } from "./sequences.js";
import type { TokenEngine } from "./token-engine.js";

export class PolicyState {
  /** Folder name and hash of the weights as loaded. */
  readonly name: string;

  readonly #engine: EngineView;
  readonly #tokens: TokenEngine;
  readonly #model: LoadedModel;
  readonly #weights: Weights;

  constructor(model: LoadedModel, weights: Weights, tokens: TokenEngine) {
    this.#engine = weights.view;
    this.#tokens = tokens;
    this.#model = model;
    this.#weights = weights;
    this.name = weights.name;
  }

  parameters(): ParameterInfo[] {
    return this.#engine.parameters();
  }

  async read(name: string, kind: TensorKind): Promise<Float32Array> {
    const shape = this.#shapeOf(name);
    const parts = engineParts(this.#engine, { name, kind, shape, dtype: "float32" });
    const bytes = await joined(4 * elements(shape), parts);
    return new Float32Array(bytes.buffer);
  }

  async write(name: string, values: ArrayLike<number>, kind: TensorKind): Promise<void> {
    const shape = this.#shapeOf(name);
    const count = elements(shape);
    const floats = toFloats(values, "values");
    if (floats.length !== count) {
      throw new SwirlError("INPUT", `values has ${floats.length} elements; ${name} has ${count} [${shape}]`, {
        remedy: "pass every element, row-major",
        details: { field: "values", tensor: name },
      });
    }
    if (kind === "weight") this.#tokens.weightsChange();
    // In one call, so that no other call sees it half written.
    await this.#engine.writeTensor(name, kind, "float32", new Uint8Array(floats.buffer));
  }

  async save(dir: string, dtype: Dtype | undefined): Promise<void> {
    const { checkpoint: base, hash: baseHash } = this.#model;
    const { adapter } = this.#weights;
    if (adapter) await saveAdapter({ ...adapter, base, baseHash }, dir, this.#engine, dtype ?? "float32");
    else await saveCheckpoint(base, dir, this.#engine, dtype === undefined ? {} : { dtype });
  }

  async saveOptimizer(file: string): Promise<void> {
    await saveOptimizerState(this.#engine, file);
  }

  async loadOptimizer(file: string): Promise<void> {
    try {
      await loadOptimizerState(this.#engine, file);
    } finally {
      this.#tokens.weightsChange();
    }
  }

  #shapeOf(name: string): number[] {
    const found = this.parameters().find((parameter) => parameter.name === name);
    if (found) return found.shape;
    throw new SwirlError("INPUT", `there is no parameter ${JSON.stringify(name)}`, {
      remedy: "policy.parameters() lists their names",
      details: { field: "name" },
    });
  }
}
