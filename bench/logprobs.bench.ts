/** Log-probs of every sub-trajectory of a question, as a tree and each alone (no-sharing of the design). */
import type { Bench } from "tinybench";
import type { Engine } from "../src/native/engine.js";
import type { Tree } from "./shape.js";

export function logprobsBench(bench: Bench, engine: Engine, tree: Tree): void {
  bench.add("logprobs, tree", () => engine.logprobs(tree.sequences, { temperature: 1, tree: true }));
  bench.add("logprobs, sequences alone", () =>
    engine.logprobs(tree.sequences, { temperature: 1, tree: false }),
  );
}
