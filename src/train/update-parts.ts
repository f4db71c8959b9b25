/** Small functions that train and sft share. Pure. */

/** Rounds to a thousandth. */
export function secondsBetween(from: number, to: number): number {
  return Math.round(to - from) / 1000;
}

export function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
