/** Which weights of a run a command uses. The names also appear in the names of evaluation files. */
import { Option } from "commander";

/** base: the config's model. start: what RL starts from (after SFT, if there is any). trained: after RL. */
export const WEIGHTS = ["base", "start", "trained"] as const;
export type Weights = (typeof WEIGHTS)[number];

export const weightsOption = () =>
  new Option(
    "--weights <which>",
    "base (the config's model), start (what RL starts from) or trained (default: the newest)",
  ).choices(WEIGHTS);
