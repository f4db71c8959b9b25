/** The evaluations in a run directory: files named evaluation-STAGE.jsonl. */
import { readdir } from "node:fs/promises";

/** Names that stages have, in the order in which a run evaluates them. */
const STAGE_ORDER = ["base", "before", "start", "after", "trained"];

/** The stages that a folder has an evaluation of, in the order in which a run makes them; other names come last. */
export async function evaluationStages(dir: string): Promise<string[]> {
  const names = (await readdir(dir)).flatMap((file) => /^evaluation-(.+)\.jsonl$/.exec(file)?.[1] ?? []);
  return names.sort(byStage);
}

/** Orders names of stages, or other names that end in one, such as greedy-before. */
export function byStage(a: string, b: string): number {
  const rank = (name: string) => {
    const stage = STAGE_ORDER.indexOf(/[^-]*$/.exec(name)![0]);
    return stage < 0 ? STAGE_ORDER.length : stage;
  };
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0);
}
