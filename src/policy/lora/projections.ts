/** The matrices that an adapter may change: every linear layer of the decoder but the output embedding. */
import type { ModelConfig } from "../../native/addon.js";
import { parametersOf } from "../checkpoint/parameter-names.js";

export interface Projection {
  /** The engine's module name: "model.layers.0.self_attn.q_proj". */
  name: string;
  /** Columns of the matrix. */
  in: number;
  /** Rows of the matrix. */
  out: number;
}

/** In the order of the layers. */
export function projectionsOf(config: ModelConfig): Projection[] {
  return parametersOf(config).flatMap(({ name, shape }) => {
    const [out, in_] = shape;
    return /\.layers\.\d+\.(self_attn|mlp)\.\w+_proj\.weight$/.test(name)
      ? [{ name: name.slice(0, -".weight".length), in: in_!, out: out! }]
      : [];
  });
}
