/** G fresh actions at every state of a question: the sampling of one step-wise RL step. */
import type { Bench } from "tinybench";
import type { Engine } from "../src/native/engine.js";
import type { Tree } from "./shape.js";

export function generateBench(bench: Bench, engine: Engine, tree: Tree): void {
  const { G, a } = tree.shape;
  let seed = 0n; // a new seed each time, so that only the prompts' KV can be reused
  bench.add("generate, all states at once", () =>
    engine.generate(
      tree.states.map((tokens) => ({ tokens, seed: seed++, maxNewTokens: a })),
      {
        n: G,
        temperature: 1,
        topK: 0,
        topP: 1,
        stopTokens: new Int32Array(),
        stopStrings: [],
      },
    ),
  );
}
