/** Stage 1 within a job: the pool that every filter of a seed selects from. */
import { matchAnswer, synthesize } from "swirl-rl";
import type { PoolFigures, SynthesizeWork } from "../job.js";
import type { JobContext } from "../job-context.js";
import { policyOf } from "./policy-of.js";
import { readAll } from "./read-all.js";

export async function synthesizePool(work: SynthesizeWork, context: JobContext): Promise<PoolFigures> {
  const { seed, testbed, folder, signal, onProgress } = context;
  const { task, maxNewTokens, concurrency } = testbed;
  await using policy = await policyOf(work.policy, context, false);
  const made = synthesize(await testbed.questions(work.questions), {
    policy,
    task,
    samples: work.samples,
    keepThoughts: work.keepThoughts,
    maxNewTokens,
    ...testbed.rollout,
    concurrency,
    seed,
    output: folder.trajectories,
    onProgress: ({ done, total }) => onProgress(done, total),
    signal,
  });
  for await (const _ of made);
  let trajectories = 0;
  const correct = { count: 0, of: 0 };
  for (const trajectory of await readAll(folder.trajectories)) {
    trajectories++;
    if (trajectory.gold.length === 0) continue;
    correct.of++;
    if (trajectory.answer === undefined) continue;
    const verdict = await matchAnswer(task.matcher, trajectory, signal);
    if (verdict.status === "ok" && verdict.correct) correct.count++;
  }
  return { trajectories, correct };
}
