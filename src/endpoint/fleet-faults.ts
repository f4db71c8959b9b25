/** Whose fault a failed attempt of a fleet's call is, which decides what happens to the server and to the call. */
import { APIConnectionError, APIError } from "openai";
import { SwirlError } from "../errors/swirl-error.js";
import { classifyEndpointError } from "./endpoint-errors.js";
import { AttemptTimeout } from "./retry.js";

/** The server went down while it worked on a call, which moves to another server. */
export class ServerWentDown extends Error {}

export type FleetFault =
  /** The same request would fail on every server: the call fails. */
  | { kind: "request" }
  /** The server has too much to do. */
  | { kind: "busy"; afterMs?: number }
  /** The attempt failed on this server; another may answer. */
  | { kind: "server" }
  /** Every request to this server would fail: it goes down at once. */
  | { kind: "down" };

const UNREACHABLE = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND"]);
/** The key, the path or the model is unknown to this server: another one of the fleet may know them. */
const MISCONFIGURED = new Set([401, 403, 404]);

export function fleetFault(error: unknown): FleetFault {
  if (error instanceof ServerWentDown || error instanceof AttemptTimeout) return { kind: "server" };
  const own = SwirlError.isInstance(error)
    ? error
    : error instanceof APIConnectionError && SwirlError.isInstance(error.cause)
      ? error.cause
      : undefined;
  // A reply that no server of this kind gives is this server's fault, whoever asks again.
  if (own)
    return own.code === "ENDPOINT" && own.details.ofRequest !== true
      ? { kind: "server" }
      : { kind: "request" };
  if (error instanceof APIConnectionError)
    return UNREACHABLE.has(innermostCode(error)) ? { kind: "down" } : { kind: "server" };
  if (error instanceof APIError && typeof error.status === "number") {
    if (MISCONFIGURED.has(error.status)) return { kind: "down" };
    const disposition = classifyEndpointError(error);
    if (!disposition.retry) return { kind: "request" };
    if (error.status !== 429) return { kind: "server" };
    return { kind: "busy", ...(disposition.afterMs === undefined ? {} : { afterMs: disposition.afterMs }) };
  }
  return classifyEndpointError(error).retry ? { kind: "server" } : { kind: "request" };
}

function innermostCode(error: Error): string {
  let inner: unknown = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  return String((inner as NodeJS.ErrnoException | undefined)?.code ?? "");
}
