/** What a run cost, as far as its files say: seconds, tokens, judgments. What was not recorded is absent. */
import { access } from "node:fs/promises";
import { z } from "zod";
import type { EvaluationRecord } from "../evaluate/evaluation-record.js";
import { readJson } from "../files/json-file.js";
import { readJsonLines } from "../files/jsonl-reader.js";
import type { RunPaths } from "../run-directory/layout.js";

export interface Cost {
  /** Wall-clock seconds of each finished stage of `swirl run`. */
  stages: { name: string; seconds: number }[];
  /** Of RL and of SFT: updates, tokens of the sequences, rows computed, and seconds by what they went into. */
  training: {
    name: string;
    updates: number;
    tokens: number | undefined;
    treeTokens: number | undefined;
    seconds: { name: string; seconds: number }[];
  }[];
  /** Judgments of the filter and of training (verdicts.jsonl), and of each evaluation. */
  judged: { name: string; verdicts: number; replies: number; failed: number }[];
}

type Rows = readonly Record<string, unknown>[];
export const PHASES = ["sample", "judge", "reference", "update"];

export async function readCost(
  paths: RunPaths,
  known: {
    metrics: Rows;
    sft: Rows;
    stages: readonly { name: string; records: readonly EvaluationRecord[] }[];
  },
): Promise<Cost> {
  const stages = await readJson(
    paths.stages,
    z.record(z.string(), z.looseObject({ seconds: z.number() })),
    "delete it: the report then shows no seconds per stage",
  );
  const journal = await countVerdicts("filter and training", journalVerdicts(paths.verdicts));
  const evaluated = await Promise.all(
    known.stages.map(({ name, records }) =>
      countVerdicts(
        `evaluation ${name}`,
        records.flatMap(({ verdicts }) => verdicts ?? []),
      ),
    ),
  );
  return {
    stages: Object.entries(stages ?? {}).map(([name, { seconds }]) => ({ name, seconds })),
    training: [...trainingCost("SFT", known.sft), ...trainingCost("RL", known.metrics)],
    judged: [journal, ...evaluated].filter(({ verdicts }) => verdicts > 0),
  };
}

function trainingCost(name: string, rows: Rows): Cost["training"] {
  const last = rows.at(-1);
  if (!last) return [];
  const counter = (key: string) => (typeof last[key] === "number" ? (last[key] as number) : undefined);
  const seconds = PHASES.flatMap((phase) => {
    const values = rows.flatMap((row) => {
      const value = row[`time/${phase}`];
      return typeof value === "number" && Number.isFinite(value) ? [value] : [];
    });
    const sum = values.reduce((total, value) => total + value, 0);
    return values.length > 0 ? [{ name: phase, seconds: sum }] : [];
  });
  return [
    {
      name,
      updates: rows.length,
      tokens: counter("num_tokens"),
      treeTokens: counter("tree_tokens"),
      seconds,
    },
  ];
}

/** A rule's verdict is one reply; a prompted judge's as many as it had votes. */
async function countVerdicts(
  name: string,
  verdicts: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<Cost["judged"][number]> {
  const count = { name, verdicts: 0, replies: 0, failed: 0 };
  for await (const verdict of verdicts) {
    const { status, votes } = (verdict ?? {}) as { status?: unknown; votes?: unknown };
    count.verdicts++;
    if (status === "failed") count.failed++;
    else if (typeof votes === "number") count.replies += votes;
  }
  return count;
}

async function* journalVerdicts(file: string): AsyncGenerator<unknown> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  for await (const { value } of readJsonLines(file, { onTorn: () => {} }))
    yield (value as { verdict?: unknown } | null)?.verdict;
}
