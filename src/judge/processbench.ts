/**
 * ProcessBench (Zheng et al., arXiv 2412.06559): solutions split into steps, each with the index of its first wrong
 * step, or -1, found by hand. One JSON array a file, or JSONL.
 * Steps before the first wrong one are good, it itself is bad, and the ones after it are left out: nobody labelled them.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
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

export interface ProcessBenchOptions {
  /** Solutions read; default all. */
  limit?: number;
}

/** @throws SwirlError RECORD naming file, row (as line) and field. */
export async function readProcessBench(
  file: string,
  options: ProcessBenchOptions = {},
): Promise<LabelledStep[]> {
  const rows = await readRows(file);
  return rows
    .slice(0, options.limit ?? rows.length)
    .flatMap((value, i) =>
      labelledSteps(parseRecord(value, rowSchema, { what: "ProcessBench", file, line: i + 1 })),
    );
}

function labelledSteps(row: z.infer<typeof rowSchema>): LabelledStep[] {
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

async function readRows(file: string): Promise<unknown[]> {
  const text = await readFile(file, "utf8").catch((cause: Error) => {
    throw new SwirlError("RECORD", `${file}: cannot be read (${cause.message})`, {
      remedy: "pass a file of ProcessBench, such as gsm8k.json",
      details: { file },
      cause,
    });
  });
  const array = text.trimStart().startsWith("[");
  try {
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    return array ? (JSON.parse(text) as unknown[]) : lines.map((line) => JSON.parse(line) as unknown);
  } catch (cause) {
    throw new SwirlError("RECORD", `${file}: not JSON (${(cause as Error).message})`, {
      remedy: "download the file again",
      details: { file },
      cause,
    });
  }
}
