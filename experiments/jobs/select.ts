/**
 * A filter over a pool, and an equal number of what passes. Which ones is drawn by a hash of the seed and the
 * trajectory, so two filters of one seed share as many trajectories as they can.
 */

import {
  filterTrajectories,
  type Judge,
  type JudgedTrajectory,
  judgeSteps,
  noisyJudge,
  type Trajectory,
  writeFileAtomic,
} from "swirl-rl";
import type { SelectionFigures, SelectWork } from "../job.js";
import type { JobContext } from "../job-context.js";
import { readAll } from "./read-all.js";

/** The pool read last: the selections of a seed are made one after another. */
let newest: { file: string; trajectories: Trajectory[] } | undefined;

export async function select(work: SelectWork, context: JobContext): Promise<SelectionFigures> {
  const { seed, testbed, folder, input, signal, onProgress } = context;
  const file = input(work.pool).trajectories;
  if (newest?.file !== file) newest = { file, trajectories: inOrder(await readAll(file)) };
  const pool = await withTags(newest.trajectories, work, context);
  const judge = filterJudge(work, context);
  const judged: JudgedTrajectory[] = [];
  for await (const one of judgeSteps(pool, { judge, signal })) {
    judged.push(one);
    onProgress(judged.length, pool.length);
  }
  const shared = { kind: work.filter, outcome: testbed.task.matcher, signal };
  const passing = async () => (await filterTrajectories(judged, shared)).kept.length;
  const equalN = work.orAll || work.fill ? Math.min(work.count, await passing()) : work.count;
  const { kept, table } =
    equalN === 0 // nothing passes, which only some studies accept
      ? await filterTrajectories(judged, shared)
      : await filterTrajectories(judged, { ...shared, equalN, seed });
  if (work.fill) {
    const ids = new Set(kept.map(({ id }) => id));
    const rest = pool.filter(({ id, steps }) => !ids.has(id) && steps.length > 0);
    kept.push(...rest.slice(0, work.count - kept.length));
  }
  await writeFileAtomic(folder.kept, kept.map((trajectory) => `${JSON.stringify(trajectory)}\n`).join(""));
  return { table, kept: kept.length };
}

function filterJudge({ wrong, otherJudge }: SelectWork, { seed, testbed }: JobContext): Judge {
  const judge = otherJudge ? testbed.otherJudge : testbed.judge;
  if (!judge) throw new Error("the testbed has no other judge");
  return wrong ? noisyJudge(judge, { rate: wrong, seed }) : judge;
}

/** Sorted by id: they were recorded as they ended, in an order that varies. */
function inOrder(trajectories: readonly Trajectory[]): Trajectory[] {
  return trajectories.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

async function withTags(
  pool: readonly Trajectory[],
  { tags, pool: id }: SelectWork,
  { testbed, input }: JobContext,
): Promise<Trajectory[]> {
  if (!tags) return [...pool];
  const result = await input(id).result();
  const work = result?.work;
  if (work?.kind !== "synthesize") throw new Error(`${id} is no pool`);
  const wanted = new Set(
    (await testbed.questions(work.questions))
      .filter((question) => Object.entries(tags).every(([name, value]) => question.tags?.[name] === value))
      .map((question) => question.id),
  );
  return pool.filter((trajectory) => wanted.has(trajectory.questionId));
}
