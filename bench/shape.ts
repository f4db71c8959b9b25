/**
 * What is measured: the SmolLM2-135M shape, and a question's tree of trajectories written out as sub-trajectories.
 *
 * N trajectories of K steps share a prompt of P tokens. A logged action has `a` tokens and its observation `o`. Each of
 * the N·K states gets G fresh actions of `a` tokens; the logged action is none of them. So there are N·K·G sequences of
 * P + (k − 1)(a + o) + a tokens, and the tree has P + N·[(K − 1)(a + o) + K·G·a] rows.
 */
import type { NativeTrainSequence } from "../src/native/addon.js";

export interface TreeShape {
  K: number;
  N: number;
  G: number;
  P: number;
  a: number;
  o: number;
}

/** Issue sizes. */
export const issueTree: TreeShape = { K: 5, N: 4, G: 4, P: 160, a: 48, o: 32 };
export const smokeTree: TreeShape = { K: 2, N: 2, G: 2, P: 24, a: 8, o: 8 };

export const smolLM2 = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  hidden_act: "silu",
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: "bfloat16",
};

/** mulberry32: a small seeded generator of numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Tree {
  shape: TreeShape;
  sequences: NativeTrainSequence[];
  states: Int32Array[]; // N·K, where actions are sampled
  sequenceTokens: number;
  treeTokens: number; // distinct prefixes
}

export function makeTree(shape: TreeShape, vocabulary: number, seed = 1): Tree {
  const random = seeded(seed);
  const draw = (count: number) =>
    Array.from({ length: count }, () => 3 + Math.floor(random() * (vocabulary - 3)));
  const { K, N, G, P, a, o } = shape;
  const prompt = draw(P);
  const sequences: NativeTrainSequence[] = [];
  const states: Int32Array[] = [];
  for (let n = 0; n < N; n++) {
    let state = prompt;
    for (let k = 0; k < K; k++) {
      states.push(Int32Array.from(state));
      for (let g = 0; g < G; g++) {
        sequences.push({
          tokens: Int32Array.from([...state, ...draw(a)]),
          actionStart: state.length,
          advantage: random() * 2 - 1,
        });
      }
      state = [...state, ...draw(a), ...draw(o)];
    }
  }
  return {
    shape,
    sequences,
    states,
    sequenceTokens: sequences.reduce((sum, { tokens }) => sum + tokens.length, 0),
    treeTokens: P + N * ((K - 1) * (a + o) + K * G * a),
  };
}
