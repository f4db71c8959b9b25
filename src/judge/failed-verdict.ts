/** Which errors are a verdict that failed, to be recorded while the run goes on, and which end the run. */
import { type ErrorCode, SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";

/** A fault of the whole run: every further step would meet it too. */
const ENDS_RUN: readonly ErrorCode[] = ["ABORTED", "DISPOSED", "CONFIG", "CHECKPOINT", "DEVICE"];

export function failedVerdict(error: unknown): { status: "failed"; error: string } {
  if (SwirlError.isInstance(error) && ENDS_RUN.includes(error.code)) throw error;
  return { status: "failed", error: redactText(error instanceof Error ? error.message : String(error)) };
}
