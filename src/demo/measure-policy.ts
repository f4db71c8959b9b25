/** How good a policy is on the held-out questions: sampled and greedy accuracy, and its steps under both judges. */
import {
  type Calibration,
  calibrate,
  type EvaluateOptions,
  type EvaluationRecord,
  type EvaluationSummary,
  evaluate,
  type Judge,
  type LabelledStep,
  stepViews,
  summarize,
} from "../index.js";
import { oracleJudge } from "./judges.js";
import type { WorldQuestion } from "./world.js";

/** Results of one policy on the held-out questions. */
export interface DemoEvaluation {
  /** With actions sampled at temperature 1, as in training. Its process label is the process judge's. */
  sampled: EvaluationSummary;
  /** With the most probable token at each position. */
  greedy: EvaluationSummary;
  /** The oracle's labels of the same sampled trajectories. */
  oracleLabel: NonNullable<EvaluationSummary["processLabel"]>;
  /** Error rates of the process judge on their steps, with the oracle as the truth. */
  calibration: Calibration;
  /** Records of the sampled evaluation. */
  records: EvaluationRecord[];
  /** Records of the greedy evaluation. */
  greedyRecords: EvaluationRecord[];
}

export interface MeasureOptions
  extends Omit<EvaluateOptions, "judge" | "temperature" | "output" | "onProgress"> {
  judge: Judge;
  /** Files of both evaluations. */
  sampledFile: string;
  greedyFile: string;
  onProgress: (done: number, total: number, note: string) => void;
}

export async function measurePolicy(
  questions: readonly WorldQuestion[],
  options: MeasureOptions,
): Promise<DemoEvaluation> {
  const { judge, sampledFile, greedyFile, onProgress, ...shared } = options;
  const run = (temperature: number, output: string, offset: number) =>
    evaluate([...questions], {
      ...shared,
      judge,
      temperature,
      output,
      onProgress: ({ done, correct, decided }) =>
        onProgress(
          offset + done,
          2 * questions.length,
          `${temperature === 0 ? "greedy" : "sampled"}: ${Math.round((100 * correct) / Math.max(1, decided))} % right`,
        ),
    });
  const { summary: sampled, records } = await run(1, sampledFile, 0);
  const { summary: greedy, records: greedyRecords } = await run(0, greedyFile, questions.length);

  const oracle = oracleJudge(questions);
  const labeled: LabelledStep[] = [];
  const byOracle: EvaluationRecord[] = [];
  for (const record of records) {
    const views = stepViews(record.trajectory);
    const verdicts = await Promise.all(views.map((view) => oracle.judge(view)));
    byOracle.push({ ...record, judge: oracle.id, verdicts });
    for (const [i, view] of views.entries()) {
      const verdict = verdicts[i]!;
      if (verdict.status === "ok") labeled.push({ id: `${record.id}/${i}`, view, good: verdict.good });
    }
  }
  return {
    sampled,
    greedy,
    oracleLabel: summarize(byOracle).processLabel!,
    calibration: await calibrate(judge, labeled),
    records,
    greedyRecords,
  };
}
