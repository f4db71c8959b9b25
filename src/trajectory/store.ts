/**
 * Trajectory files: JSONL, append-only, one trajectory a line (see trajectory.ts for the record, jsonl/ for what
 * a crash can and cannot do to a line).
 */
import { parseRecord, readRecords, type TornLine } from "../files/jsonl-reader.js";
import { JsonlWriter, type JsonlWriterOptions } from "../files/jsonl-writer.js";
import { TRAJECTORY_VERSION, type Trajectory, trajectorySchema } from "./trajectory.js";

/** @throws SwirlError RECORD with file, line and field; says so when the file is of another version. */
export function readTrajectories(
  file: string,
  options: { onTorn?: (torn: TornLine) => void } = {},
): AsyncGenerator<Trajectory, void, undefined> {
  return readRecords(file, trajectorySchema, { ...options, what: "trajectory", version: TRAJECTORY_VERSION });
}

export interface TrajectoryWriter extends AsyncDisposable {
  append(trajectory: Trajectory): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Creates the file, or continues after its last whole line. @throws SwirlError RECORD: the file holds something else. */
export function openTrajectoryWriter(
  file: string,
  options: JsonlWriterOptions = {},
): Promise<TrajectoryWriter> {
  const check = (first: unknown) =>
    parseRecord(first, trajectorySchema, { what: "trajectory", version: TRAJECTORY_VERSION, file, line: 1 });
  return JsonlWriter.open(file, { check, ...options });
}
