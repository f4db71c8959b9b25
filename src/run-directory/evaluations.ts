/** The evaluations in a run directory: files named evaluation-STAGE.jsonl. */
import { readdir } from "node:fs/promises";

/** Names that stages have, in the order in which a run evaluates them. */
const STAGE_ORDER = ["base", "before", "start", "after", "trained"];

/** The stages that a folder has an evaluation of, in the order in which a run makes them; other names come last. */
export async function evaluationStages(dir: string): Promise<string[]> {
  const names = (await readdir(dir)).flatMap((file) => /^evaluation-(.+)\.jsonl$/.exec(file)?.[1] ?? []);
  const rank = (name: string) =>
    (STAGE_ORDER.indexOf(name) + STAGE_ORDER.length + 1) % (STAGE_ORDER.length + 1);
  return names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
