/**
 * ProcessBench (Zheng et al., arXiv 2412.06559): solutions split into steps. People marked the first wrong step of each
 * (its index, or -1 when there is none). A file is one JSON array, or JSONL.
 * Steps before the first wrong one are good and that step is bad. Later steps have no label and are left out.
 */

import { z } from "zod";
import { readJsonRows } from "../data/json-rows.js";
import { ofArgumentsAsync } from "../errors/arguments.js";
import { parseRecord } from "../files/jsonl-reader.js";
import type { LabelledStep } from "./calibration.js";

const rowSchema = z
  .looseObject({
    id: z.string(),
    problem: z.string().min(1),
    steps: z.array(z.string()).min(1),
    label: z.int().min(-1),
  })
  .refine((row) => row.label < row.steps.length, { path: ["label"], message: "is past the last step" });

/** Options of {@link readProcessBench}. */
export interface ProcessBenchOptions {
  /** Solutions to read. @default all */
  limit?: number;
}

/**
 * Reads a ProcessBench file as labeled steps, in the order of the file; ids are `<solution>/<step>`.
 *
 * @throws SwirlError RECORD naming file, row (as line) and field.
 * @example
 * const result = await calibrate(judge, await readProcessBench("gsm8k.json", { limit: 50 }));
 */
export async function readProcessBench(
  file: string,
  options: ProcessBenchOptions = {},
): Promise<LabelledStep[]> {
  return await ofArgumentsAsync("readProcessBench", "(file, { limit? })", async () => {
    const steps: LabelledStep[] = [];
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    if (limit <= 0) return steps;
    let line = 0; // counts rows: the files are one array on one line
    for await (const { value } of readJsonRows(file)) {
      steps.push(
        ...labeledSteps(parseRecord(value, rowSchema, { what: "ProcessBench", file, line: ++line })),
      );
      if (line >= limit) break;
    }
    return steps;
  });
}

function labeledSteps(row: z.infer<typeof rowSchema>): LabelledStep[] {
  const judged = row.label === -1 ? row.steps : row.steps.slice(0, row.label + 1);
  return judged.map((action, i) => {
    const last = i === row.steps.length - 1;
    return {
      id: `${row.id}/${i}`,
      good: i !== row.label,
      view: {
        question: row.problem,
        history: row.steps.slice(0, i).map((earlier) => ({ action: earlier })),
        action,
        kind: last ? "answer" : "call",
        callsLeft: row.steps.length - 1 - i,
      },
    };
  });
}
