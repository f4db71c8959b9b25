/**
 * What went wrong with a Tinker server, as SwirlErrors of code ENDPOINT. `details.trainer` is true: the error is the
 * trainer's own, so nothing can be saved on it now. `details.status` holds the HTTP status, `details.weightsUnknown` is true
 * where an update may have been applied in part.
 */
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";

/** An answer with a status that is no success. */
export class StatusError extends Error {
  constructor(
    readonly status: number,
    readonly words: string,
    readonly afterMs: number | undefined,
  ) {
    super(`status ${status}${words === "" ? "" : `, ${words}`}`);
  }
}

export interface Failure {
  host: string;
  /** The call: "forward_backward". */
  call: string;
  redact: (text: string) => string;
  attempts?: number;
  milliseconds?: number;
  reason?: string;
}

const SHOWN = 400;

/** Our own errors keep their code; everything else becomes ENDPOINT. */
export function tinkerError(error: unknown, failure: Failure): SwirlError {
  if (SwirlError.isInstance(error)) {
    if (error.code !== "ENDPOINT" || error.details.trainer === true) return error;
    return new SwirlError("ENDPOINT", `trainer ${failure.host}, ${failure.call}: ${firstLine(error)}`, {
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      details: { ...error.details, host: failure.host, trainer: true },
      cause: error,
    });
  }
  const status = error instanceof StatusError ? error.status : undefined;
  const what = failure.redact(rootMessage(error)).slice(0, SHOWN);
  const { attempts, milliseconds, reason } = failure;
  const tries =
    attempts === undefined
      ? ""
      : ` (${attempts} ${attempts === 1 ? "attempt" : "attempts"} in ${((milliseconds ?? 0) / 1000).toFixed(1)} s, ${reason})`;
  return new SwirlError("ENDPOINT", `trainer ${failure.host}, ${failure.call}: ${what}${tries}`, {
    remedy: remedyFor(status),
    details: {
      host: failure.host,
      call: failure.call,
      trainer: true,
      ...(status === undefined ? {} : { status }),
    },
    ...(error instanceof Error ? { cause: error } : {}),
  });
}

/** The server accepted the request and reports that it failed. */
export function failedRequest(words: string, { host, call, redact }: Failure): SwirlError {
  const lost = /not (loaded|found)|stale/i.test(words);
  return new SwirlError("ENDPOINT", `trainer ${host}: ${call} failed: ${redact(words).slice(0, SHOWN)}`, {
    remedy: lost
      ? "the server was restarted and has lost the model: connect again and resume from the last checkpoint"
      : "read the server's log; the request would fail the same way again",
    details: { host, call, trainer: true, final: true },
  });
}

/** The server no longer knows a request whose result was asked for. */
export function lostResult({ host, call }: Failure): SwirlError {
  return new SwirlError(
    "ENDPOINT",
    `trainer ${host}: the result of ${call} is lost: the server does not know the request`,
    {
      remedy: "the server was restarted: connect again and resume from the last checkpoint",
      details: { host, call, trainer: true, lost: true },
    },
  );
}

function remedyFor(status: number | undefined): string {
  if (status === 401 || status === 403) return "check apiKey";
  if (status === 402) return "the server refuses for billing reasons: see its console";
  if (status === 404)
    return "check baseURL, without /api/v1; a server that was restarted has lost its models: resume from the last checkpoint";
  if (status === 409) return "another process drives the same model: give each its own policy";
  if (status === 413) return "lower batchSize, or the length of the sequences";
  if (status === 422 || status === 400)
    return "the server does not take this request: see its words, and docs/cluster.md for the servers that were tried";
  if (status !== undefined && status >= 500)
    return "read the server's log: SkyRL answers so where a result holds NaN, after weights that broke; then connect again and resume";
  return "check that the server runs and is reachable, then resume from the last checkpoint";
}

function firstLine(error: SwirlError): string {
  return error.message.split("\n")[0]!;
}

/** fetch hides the reason ("ECONNREFUSED") in the innermost cause. */
function rootMessage(error: unknown): string {
  let inner: unknown = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const code = (inner as NodeJS.ErrnoException | undefined)?.code;
  const message = messageOf(inner);
  return code && !message.includes(code) ? `${code} ${message}` : message;
}
