/** Which errors become a failed verdict, after which the run continues, and which errors end the run. */
import { messageOf } from "../errors/message-of.js";
import { type ErrorCode, SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";

/** Errors of the whole run: every further step would fail as well. */
const ENDS_RUN: readonly ErrorCode[] = ["ABORTED", "DISPOSED", "CONFIG", "CHECKPOINT", "DEVICE"];

/** @throws The error itself when it ends the run. */
export function failedVerdict(error: unknown): { status: "failed"; error: string } {
  if (SwirlError.isInstance(error) && ENDS_RUN.includes(error.code)) throw error;
  return { status: "failed", error: redactText(messageOf(error)) };
}
