/** The only error class of the package. */

/**
 * Kind of a {@link SwirlError}.
 * - "CONFIG": a wrong option or config file.
 * - "CHECKPOINT": weights, config.json, index or tokenizer of a model folder.
 * - "RECORD": a record of a file: trajectory, verdict, dataset row.
 * - "INPUT": an argument of a call.
 * - "MEMORY": the call would not fit; the message has the numbers.
 * - "DEVICE": no such device, or the addon is not built.
 * - "DEVICE_LOST": the GPU failed for good in this process, as after an illegal address or a memory fault. The policies on
 *   it are lost; everything else keeps working.
 * - "ENDPOINT": an HTTP policy or judge.
 * - "NUMERICS": a non-finite loss, gradient or weight.
 * - "ABORTED": the caller's signal fired.
 * - "DISPOSED": the object was closed before.
 * - "INTERNAL": a bug in this package.
 */
export type ErrorCode =
  | "CONFIG"
  | "CHECKPOINT"
  | "RECORD"
  | "INPUT"
  | "MEMORY"
  | "DEVICE"
  | "DEVICE_LOST"
  | "ENDPOINT"
  | "NUMERICS"
  | "ABORTED"
  | "DISPOSED"
  | "INTERNAL";

/** Where an error is, for programs. */
export interface ErrorDetails {
  /** Path of the file. */
  file?: string;
  /** Line in the file, from 1. */
  line?: number;
  /** Option or field, with dots between its parts. */
  field?: string;
  /** Name of the tensor. */
  tensor?: string;
  /** Name of the op. */
  op?: string;
  /** More details of one kind of error. */
  [key: string]: unknown;
}

/** More about a {@link SwirlError}. */
export interface SwirlErrorOptions {
  /** What to do next. It becomes the last line of the message. */
  remedy?: string;
  /** Where the error is. */
  details?: ErrorDetails;
  /** The error that caused this one. */
  cause?: unknown;
}

/**
 * The only error that this package throws on purpose. `code` is for programs. `message` is for people: what is wrong,
 * with the wrong value, and what to do next.
 *
 * @example
 * try {
 *   await Policy.load("models/qwen");
 * } catch (error) {
 *   if (SwirlError.isInstance(error) && error.code === "MEMORY") console.error(error.message);
 *   else throw error;
 * }
 */
export class SwirlError extends Error {
  /** Always "SwirlError". */
  override readonly name = "SwirlError";
  /** Kind of the error. */
  readonly code: ErrorCode;
  /** What to do next. Undefined when there is no advice. It is also part of `message`. */
  readonly remedy: string | undefined;
  /** Where the error is. Empty when unknown. */
  readonly details: ErrorDetails;

  /** @param message What is wrong, with the wrong value. */
  constructor(code: ErrorCode, message: string, options: SwirlErrorOptions = {}) {
    super(options.remedy ? `${message}\n  → ${options.remedy}` : message, { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.details = options.details ?? {};
  }

  /** Whether `error` is a SwirlError, also one of another copy of this package. */
  static isInstance(error: unknown): error is SwirlError {
    return error instanceof Error && error.name === "SwirlError";
  }
}
