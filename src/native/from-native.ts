/**
 * Errors thrown by the addon carry `code`, `remedy` and `details` as plain properties; here they become SwirlErrors.
 * Anything else that the addon throws is a bug of this package and gets the code INTERNAL.
 */
import { type ErrorCode, type ErrorDetails, SwirlError } from "../errors/swirl-error.js";

const codes: ReadonlySet<string> = new Set<ErrorCode>([
  "CONFIG",
  "CHECKPOINT",
  "RECORD",
  "INPUT",
  "MEMORY",
  "DEVICE",
  "DEVICE_LOST",
  "ENDPOINT",
  "NUMERICS",
  "ABORTED",
  "DISPOSED",
  "INTERNAL",
]);

interface NativeError extends Error {
  code?: string;
  remedy?: string;
  details?: ErrorDetails;
}

export function fromNative(error: unknown): SwirlError {
  if (SwirlError.isInstance(error)) return error;
  const native: NativeError = error instanceof Error ? error : new Error(String(error));
  const code = native.code !== undefined && codes.has(native.code) ? (native.code as ErrorCode) : "INTERNAL";
  return new SwirlError(code, native.message, {
    ...(native.remedy ? { remedy: native.remedy } : {}),
    ...(native.details ? { details: native.details } : {}),
    cause: native.cause ?? error,
  });
}
