/** Which peers are in memory together with ours. No group at all would leave ours unmeasured: an empty one is one. */
import type { Dtype, ModelConfig } from "../../src/native/addon.js";
import { parameterCount } from "../flops.js";
import type { Shape } from "../shape.js";
import { type PeerName, peers } from "./peers.js";

/** On a GPU, because torch keeps the memory that it once had. */
export function oneByOne(names: PeerName[]): PeerName[][] {
  return names.length > 0 ? names.map((name) => [name]) : [[]];
}

/** As many at once, in order, as fit into `available` bytes: their state, hf-padded's logits and two gibibytes of the rest. */
export function together(
  names: PeerName[],
  shapes: Shape[],
  config: ModelConfig,
  dtype: Dtype,
  available: number,
): PeerName[][] {
  const parameters = parameterCount(config);
  const longest = Math.max(...shapes.map(({ P, K, a, o }) => P + (K - 1) * (a + o) + a));
  const width = dtype === "bfloat16" ? 2 : 4;
  const need = (name: PeerName) => {
    if (!peers[name].script) return 0;
    const logits = name === "hf-padded" ? 16 * longest * config.vocab * width : 0;
    return (name === "trl" ? 16 : 4 * width) * parameters + logits + 2 ** 31;
  };
  let left = 0;
  const found: PeerName[][] = [];
  for (const name of names) {
    if (found.length === 0 || need(name) > left) {
      found.push([]);
      left = available;
    }
    found.at(-1)!.push(name);
    left -= need(name);
  }
  return found.length > 0 ? found : [[]];
}
