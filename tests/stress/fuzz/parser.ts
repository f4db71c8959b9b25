import type { Random } from "../../../src/random/random.js";

/** A reader of untrusted input, with everything that a fuzzer needs to know about it. */
export interface FuzzedParser {
  name: string;
  /** Share of the inputs that a run gets, relative to the other parsers; 1 unless reading is slow. */
  share?: number;
  /** One input, valid or not. */
  input: (random: Random) => string;
  /**
   * Reads the input and checks what must hold of the result ({@link must}). Returns what was read, for comparison with
   * another reading. Throws the parser's own error for an input that it refuses.
   */
  read: (input: string) => unknown;
  /** Errors besides SwirlError that the parser's contract names. */
  refuses?: (error: unknown) => boolean;
}

/** A promise of the parser that an input breaks. */
export class BrokenPromise extends Error {}

export function must(condition: boolean, promise: string): void {
  if (!condition) throw new BrokenPromise(promise);
}
