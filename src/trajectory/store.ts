/**
 * Trajectory files: JSONL, append-only, one trajectory per line. trajectory.ts describes the record; jsonl-writer.ts
 * describes what a crash can do to a line.
 */

import { ofArguments } from "../errors/arguments.js";
import { parseRecord, readRecords, type TornLine } from "../files/jsonl-reader.js";
import { JsonlWriter, type JsonlWriterOptions } from "../files/jsonl-writer.js";
import { TRAJECTORY_VERSION, type Trajectory, trajectorySchema } from "./trajectory.js";

/**
 * Reads a trajectory file, one record in memory at a time.
 *
 * @param options `onTorn` is called for a last line that a killed process left unfinished. Without it such a line is
 * an error.
 * @throws SwirlError RECORD with file, line and field, also when the file has another version.
 * @example
 * for await (const trajectory of readTrajectories("trajectories.jsonl")) console.log(trajectory.end);
 */
export function readTrajectories(
  file: string,
  options: { onTorn?: (torn: TornLine) => void } = {},
): AsyncGenerator<Trajectory, void, undefined> {
  return ofArguments("readTrajectories", "(file, { onTorn? })", () =>
    readRecords(file, trajectorySchema, { ...options, what: "trajectory", version: TRAJECTORY_VERSION }),
  );
}

/** Appends trajectories to a file. It holds the file's lock until it is closed. */
export interface TrajectoryWriter extends AsyncDisposable {
  /** Resolves when the line is in the file. It is on disk after the next sync. */
  append(trajectory: Trajectory): Promise<void>;
  /** Resolves when everything appended before is on disk. */
  sync(): Promise<void>;
  /** Syncs, closes the file and releases its lock. */
  close(): Promise<void>;
}

/**
 * Creates the file, or continues after its last whole line.
 *
 * @throws SwirlError RECORD when the file holds something else, CONFIG when another writer has it open.
 * @example
 * await using writer = await openTrajectoryWriter("trajectories.jsonl");
 * for await (const trajectory of synthesize(questions, options)) await writer.append(trajectory);
 */
export function openTrajectoryWriter(
  file: string,
  options: JsonlWriterOptions = {},
): Promise<TrajectoryWriter> {
  const check = (first: unknown) =>
    parseRecord(first, trajectorySchema, { what: "trajectory", version: TRAJECTORY_VERSION, file, line: 1 });
  return ofArguments("openTrajectoryWriter", "(file, options)", () =>
    JsonlWriter.open(file, { check, ...options }),
  );
}
