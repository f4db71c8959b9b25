/** How an error reaches a person: the message, which holds the remedy, and no stack unless SWIRL_DEBUG is set. */
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";

/** What asked a command to stop before it was done. */
export interface StoppedBy {
  /** The exit code for it. */
  code: number;
  /** Nobody is there to read a message. */
  quiet: boolean;
}

export interface ReportOptions {
  stoppedBy?: StoppedBy | undefined;
  resume?: string | undefined;
}

/** Writes the message to stderr and returns the exit code. */
export function reportError(error: unknown, { stoppedBy, resume }: ReportOptions = {}): number {
  if (stoppedBy && isAbort(error)) {
    if (!stoppedBy.quiet)
      process.stderr.write(`stopped. ${resume ?? "Run the same command again to start over."}\n`);
    return stoppedBy.code;
  }
  const known = SwirlError.isInstance(error);
  if (process.env.SWIRL_DEBUG && error instanceof Error)
    process.stderr.write(`${redactText(stackOf(error))}\n`);
  else if (known) process.stderr.write(`error: ${redactText(error.message)}\n`);
  else {
    const text = redactText(messageOf(error));
    process.stderr.write(
      `error: ${text}\n  → this is not expected: SWIRL_DEBUG=1 shows where it came from\n`,
    );
  }
  return 1;
}

/** Whether an error is an abort, in any of the forms that aborted calls give it. */
function isAbort(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause.name === "AbortError" || (SwirlError.isInstance(cause) && cause.code === "ABORTED"))
      return true;
  return false;
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
