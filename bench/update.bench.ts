/** One REINFORCE update with AdamW on every sub-trajectory of a question, as a tree and each alone. */
import type { Bench } from "tinybench";
import type { NativeLossOptions, NativeOptimizerOptions } from "../src/native/addon.js";
import type { Engine } from "../src/native/engine.js";
import type { Tree } from "./shape.js";

export const loss: NativeLossOptions = {
  loss: "reinforce",
  aggregation: "sequence-sum",
  clipLow: 0.2,
  clipHigh: 0.2,
  klWeight: 0,
  klEstimator: "k3",
  temperature: 1,
  tree: true,
  maxTokensPerMicroBatch: 0,
};

export const optimizer: NativeOptimizerOptions = {
  lr: 1e-6,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
};

export function updateBench(bench: Bench, engine: Engine, tree: Tree): void {
  bench.add("update, tree", () => engine.update(tree.sequences, loss, optimizer));
  bench.add("update, sequences alone", () =>
    engine.update(tree.sequences, { ...loss, tree: false }, optimizer),
  );
}
