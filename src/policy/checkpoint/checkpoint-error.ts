/** Errors of this folder name the file, the field or tensor, the wrong value and the remedy. */
import { type ErrorDetails, SwirlError } from "../../errors/swirl-error.js";

export function checkpointError(
  file: string,
  problem: string,
  remedy: string,
  details: ErrorDetails = {},
  cause?: unknown,
): SwirlError {
  return new SwirlError("CHECKPOINT", `${file}: ${problem}`, {
    remedy,
    details: { file, ...details },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The value as it is in the file, shortened for a message. */
export function shown(value: unknown): string {
  const text = value === undefined ? "absent" : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
