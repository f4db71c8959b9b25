/** One policy on held-out questions: answers, and every step under every judge of the testbed. */
import { type EvaluationRecord, evaluate, type Judge, stepViews, summarize, type Verdict } from "swirl-rl";
import type { MeasureFigures, MeasureWork, Share } from "../job.js";
import type { JobContext } from "../job-context.js";
import { policyOf } from "./policy-of.js";

export async function measure(work: MeasureWork, context: JobContext): Promise<MeasureFigures> {
  const { seed, testbed, folder, signal, onProgress } = context;
  const { task, judge, maxNewTokens, concurrency, keepsEvaluations, measuringJudges } = testbed;
  await using policy = await policyOf(work.policy, context, false);
  const { records } = await evaluate(await testbed.questions(work.questions), {
    policy,
    task,
    judge,
    temperature: work.temperature,
    ...(work.votes ? { votes: work.votes.count, select: work.votes.select } : {}),
    keepThoughts: work.keepThoughts,
    maxNewTokens,
    ...testbed.rollout,
    concurrency,
    seed,
    ...(keepsEvaluations ? { output: folder.file("evaluation.jsonl") } : {}),
    onProgress: ({ done, total }) => onProgress(done, total),
    signal,
  });
  const labels: MeasureFigures["labels"] = {
    process: shareOf(records.flatMap(({ verdicts = [] }) => verdicts)),
  };
  for (const [name, other] of Object.entries(measuringJudges))
    labels[name] = await labelsBy(other, records, signal);
  const { ends, toolCallsPerQuestion } = summarize(records);
  return {
    answers: records.map(({ correct }) => (correct === null ? "-" : correct ? "1" : "0")).join(""),
    correct: {
      count: records.filter(({ correct }) => correct === true).length,
      of: records.filter(({ correct }) => correct !== null).length,
    },
    labels,
    callsPerQuestion: toolCallsPerQuestion,
    ends,
  };
}

async function labelsBy(
  judge: Judge,
  records: readonly EvaluationRecord[],
  signal: AbortSignal,
): Promise<Share> {
  const verdicts: Verdict[] = [];
  for (const { trajectory } of records)
    for (const view of stepViews(trajectory)) verdicts.push(await judge.judge(view, { signal }));
  return shareOf(verdicts);
}

function shareOf(verdicts: readonly ({ status: "ok"; good: boolean } | { status: "failed" })[]): Share {
  const ok = verdicts.filter((verdict) => verdict.status === "ok");
  return { count: ok.filter(({ good }) => good).length, of: ok.length };
}
