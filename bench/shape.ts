/**
 * What is measured: questions' trees of trajectories, written out as sub-trajectories.
 *
 * Q questions, each with N trajectories of K steps that share a prompt of P tokens. An action has `a` tokens, its
 * observation `o`. Every one of the N·K states of a question is trained on G actions:
 * - G = 1: the logged action itself ("actions: logged"). A trajectory is then one path that carries K actions, and a
 *   tree has P + N·[K·a + (K − 1)·o] tokens.
 * - G > 1: G fresh actions, without the logged one. A tree has P + N·[(K − 1)(a + o) + K·G·a] tokens.
 * Either way there are N·K·G sequences per question, of P + (k − 1)(a + o) + a tokens.
 */
import type { ModelName } from "./models.js";
import { seeded } from "./seeded.js";

export interface TreeShape {
  K: number;
  G: number;
  N: number;
  P: number;
  a: number;
  o: number;
  Q: number;
}

export interface Shape extends TreeShape {
  model: ModelName;
}

/** The actions and observations of the shapes that do not say otherwise. */
const defaults = { a: 48, o: 32, Q: 1 };

/** "smollm2/K8G8N1P512", with a48, o32 and Q1 to follow where they differ. */
export function parseShape(text: string): Shape {
  const found = /^(smollm2|qwen2\.5|qwen2\.5-1\.5b|tiny)\/((?:[KGNPaoQ][1-9]\d*)+)$/.exec(text);
  const sizes: Record<string, number> = { ...defaults };
  for (const [, letter, size] of found?.[2]?.matchAll(/([KGNPaoQ])(\d+)/g) ?? [])
    sizes[letter!] = Number(size);
  if (!found || ![..."KGNP"].every((letter) => letter in sizes))
    throw new Error(`shape ${JSON.stringify(text)}: write MODEL/KkGgNnPp, for example smollm2/K8G8N1P512`);
  return { ...(sizes as unknown as TreeShape), model: found[1] as ModelName };
}

export function shapeName({ model, K, G, N, P, a, o, Q }: Shape): string {
  const rest = Object.entries({ a, o, Q })
    .filter(([letter, size]) => size !== defaults[letter as keyof typeof defaults])
    .map(([letter, size]) => `${letter}${size}`);
  return `${model}/K${K}G${G}N${N}P${P}${rest.join("")}`;
}

export interface Sequence {
  tokens: Int32Array;
  actionStart: number;
  advantage: number;
}

export interface Tree {
  shape: TreeShape;
  sequences: Sequence[]; // question by question, trajectory by trajectory, step by step
  states: Int32Array[]; // Q·N·K, where actions are sampled
}

export function makeTree(shape: TreeShape, vocabulary: number, seed = 1): Tree {
  const random = seeded(seed);
  const draw = (count: number) =>
    Array.from({ length: count }, () => 3 + Math.floor(random() * (vocabulary - 3)));
  const { K, N, G, P, a, o, Q } = shape;
  const sequences: Sequence[] = [];
  const states: Int32Array[] = [];
  for (let question = 0; question < Q; question++) {
    const prompt = draw(P);
    for (let n = 0; n < N; n++) {
      let state = prompt;
      for (let k = 0; k < K; k++) {
        states.push(Int32Array.from(state));
        const logged = draw(a);
        for (let g = 0; g < G; g++) {
          sequences.push({
            tokens: Int32Array.from([...state, ...(G === 1 ? logged : draw(a))]),
            actionStart: state.length,
            advantage: random() * 2 - 1,
          });
        }
        state = [...state, ...logged, ...draw(o)];
      }
    }
  }
  return { shape, sequences, states };
}
