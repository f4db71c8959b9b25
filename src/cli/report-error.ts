/** How an error reaches a person: the message, which holds the remedy, and no stack unless SWIRL_DEBUG is set. */
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";

export interface ReportOptions {
  interrupted: boolean;
  resume: string | undefined;
}

/** Writes to stderr and returns the exit code. */
export function reportError(error: unknown, options: ReportOptions): number {
  const known = SwirlError.isInstance(error);
  if (options.interrupted && known && error.code === "ABORTED") {
    process.stderr.write(`stopped. ${options.resume ?? "Run the same command again to start over."}\n`);
    return 130;
  }
  if (process.env.SWIRL_DEBUG && error instanceof Error)
    process.stderr.write(`${redactText(stackOf(error))}\n`);
  else if (known) process.stderr.write(`error: ${redactText(error.message)}\n`);
  else {
    const text = redactText(error instanceof Error ? error.message : String(error));
    process.stderr.write(
      `error: ${text}\n  → this is not expected: SWIRL_DEBUG=1 shows where it came from\n`,
    );
  }
  return 1;
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
