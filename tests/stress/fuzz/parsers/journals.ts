import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { EVALUATION_VERSION, evaluationSchema } from "../../../../src/evaluate/evaluation-record.js";
import { parseRecord, readJsonLines } from "../../../../src/files/jsonl-reader.js";
import { VerdictJournal } from "../../../../src/judge/verdict-journal.js";
import { readManifest } from "../../../../src/run-directory/run-directory.js";
import { MetricsLog } from "../../../../src/train/metrics-log.js";
import { readProgress } from "../../../../src/train/training-progress.js";
import { TRAJECTORY_VERSION, trajectorySchema } from "../../../../src/trajectory/trajectory.js";
import { mutateJson, mutateJsonText, mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";
import { testFile, testLines, workFolder } from "./corpus.js";

const CORPUS = "corpus/0.1.0";
const WORDS = [
  "\n",
  "\n\n",
  "\r\n",
  "{}",
  '{"version":1}',
  '"version":1,',
  '"version":2,',
  '"step":1,',
  "}\n{",
];

/** Lines of a journal: mostly one with a changed record among whole ones. */
function lines(seeds: readonly string[]): FuzzedParser["input"] {
  return (random) => {
    const changed = JSON.stringify(mutateJson(random, JSON.parse(random.pick(seeds)))) ?? "";
    const text = [changed, ...(random.integer(0, 3) === 0 ? [random.pick(seeds)] : [])].join("\n");
    const ended = random.integer(0, 4) === 0 ? text : `${text}\n`;
    return random.integer(0, 4) === 0 ? mutateText(random, [ended], WORDS) : ended;
  };
}

type Schema = Parameters<typeof parseRecord>[1];

/** A record that is read is the line's value: written again it is the same line. */
function records(what: string, version: number, schema: Schema, seeds: readonly string[]): FuzzedParser {
  return {
    name: `${what}-journal`,
    share: 0.4,
    input: lines(seeds),
    read: async (input) => {
      async function* bytes() {
        yield Buffer.from(input, "utf8");
      }
      const all: unknown[] = [];
      for await (const { value, line } of readJsonLines("file", { bytes: bytes(), onTorn: () => {} })) {
        const record = parseRecord(value, schema, { what, version, file: "file", line });
        must(sorted(record) === sorted(value), "a record that is read and written again is the same");
        all.push(record);
      }
      return all;
    },
  };
}

/**
 * JSON with the keys in order: a schema may reorder them. It leaves out "__proto__", which is never one of our keys.
 */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.entries(inner)
          .filter(([key]) => key !== "__proto__")
          .sort(([a], [b]) => (a < b ? -1 : 1))
      : inner,
  );
}

const trajectories = records("trajectory", TRAJECTORY_VERSION, trajectorySchema, [
  ...testLines(`${CORPUS}/records/trajectories-tags.jsonl`),
  ...testLines(`${CORPUS}/records/trajectories-native.jsonl`),
]);
const evaluations = records(
  "evaluation",
  EVALUATION_VERSION,
  evaluationSchema,
  testLines(`${CORPUS}/records/evaluation.jsonl`),
);

/** A file that a parser reads by its path. */
function file(name: string, content: string): string {
  const path = join(workFolder(name), "file");
  writeFileSync(path, content);
  return path;
}

const verdicts: FuzzedParser = {
  name: "verdict-journal",
  share: 0.01,
  input: lines(testLines(`${CORPUS}/records/verdicts.jsonl`)),
  read: async (input) => {
    await using journal = await VerdictJournal.open(file("verdicts", input));
    for (const line of input.split("\n")) {
      const key = /"key":"([0-9a-f]{64})"/.exec(line)?.[1];
      const found = key === undefined ? undefined : journal.get(key);
      if (found?.status === "ok") must(Number.isFinite(found.score), "a score is a number");
    }
    return journal.size;
  },
};

const metrics: FuzzedParser = {
  name: "metrics-journal",
  share: 0.01,
  input: lines(testLines(`${CORPUS}/run/metrics.jsonl`)),
  read: async (input) => {
    const log = await MetricsLog.open(file("metrics", input), 5);
    await log.close();
    return true;
  },
};

const manifest: FuzzedParser = {
  name: "manifest",
  share: 0.1,
  input: (random) => mutateJsonText(random, [JSON.parse(testFile(`${CORPUS}/run/manifest.json`))], WORDS),
  read: async (input) => {
    const read = await readManifest(file("manifest", input));
    must(
      sorted(read) === sorted(JSON.parse(input.replace(/^\ufeff/, ""))),
      "a manifest that is written again is the same",
    );
    return read;
  },
};

const progress: FuzzedParser = {
  name: "progress",
  share: 0.1,
  input: (random) =>
    mutateJsonText(
      random,
      [JSON.parse(testFile(`${CORPUS}/run/checkpoints/step-000012/progress.json`))],
      WORDS,
    ),
  read: async (input) => {
    const read = await readProgress(file("progress", input), "delete it");
    must(read === undefined || (Number.isSafeInteger(read.step) && read.step >= 0), "a step is a count");
    return read;
  },
};

export const journals: readonly FuzzedParser[] = [
  trajectories,
  evaluations,
  verdicts,
  metrics,
  manifest,
  progress,
];
