/** Which weights of a run a verb works with. Names of evaluation files as well. */
import { Option } from "commander";

/** base: the config's model. start: what RL starts from (after SFT, if there is any). trained: after RL. */
export const WEIGHTS = ["base", "start", "trained"] as const;
export type Weights = (typeof WEIGHTS)[number];

export const weightsOption = () =>
  new Option(
    "--weights <which>",
    "base (the config's model), start (what RL starts from) or trained (default: the newest)",
  ).choices(WEIGHTS);
