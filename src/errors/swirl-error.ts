/**
 * The one error class of the package. `code` is for programs, `message` for people (what was wrong, with the value),
 * `remedy` says what to do next and is part of the message.
 */
export type ErrorCode =
  | "CONFIG" // an option or a config file
  | "CHECKPOINT" // weights, config.json, index, tokenizer of a model folder
  | "RECORD" // a JSONL record: trajectory, verdict, dataset row
  | "INPUT" // an argument of a call
  | "MEMORY" // would not fit; carries the numbers
  | "DEVICE" // no such device, or the addon is not built
  | "ENDPOINT" // an HTTP policy or judge
  | "NUMERICS" // non-finite loss, gradient or weight
  | "ABORTED"
  | "DISPOSED"
  | "INTERNAL";

export interface ErrorDetails {
  file?: string;
  line?: number;
  field?: string;
  tensor?: string;
  op?: string;
  [key: string]: unknown;
}

export class SwirlError extends Error {
  override readonly name = "SwirlError";
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    options: { remedy?: string; details?: ErrorDetails; cause?: unknown } = {},
  ) {
    super(options.remedy ? `${message}\n  → ${options.remedy}` : message, { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.details = options.details ?? {};
  }

  static isInstance(error: unknown): error is SwirlError {
    return error instanceof Error && error.name === "SwirlError";
  }
}
