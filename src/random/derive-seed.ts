/**
 * Seeds as pure functions of their purpose: (seed, questionId, sample) for a trajectory, (its seed, step) for an
 * action. Order, concurrency and resumes cannot change them. They have 31 bits, which every endpoint accepts.
 */
import { createHash } from "node:crypto";

export function deriveSeed(...parts: readonly (string | number)[]): number {
  return createHash("sha256").update(JSON.stringify(parts)).digest().readUInt32BE(0) >>> 1;
}
