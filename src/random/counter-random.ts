/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011),
 * checked against that paper's known answers.
 *
 * There is no generator state to save: a number is a pure function of (seed, stream, step, item). A resumed run draws
 * the same numbers as an uninterrupted one, and the order of draws never matters.
 */

/** The purposes of draws. Two purposes never share a number. */
export const STREAM = { shuffle: 1, action: 2, sft: 3, reward: 4, redraw: 5, lora: 6 } as const;

/** Where in a run a number belongs. All parts are unsigned 32-bit integers. */
export interface Counter {
  stream: number;
  step: number;
  item: number;
}

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** The upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** Ten rounds: 128 bits of counter under 64 bits of key to 128 random bits, as four unsigned 32-bit words. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

function block(seed: number, counter: Counter): [number, number, number, number] {
  const low = seed >>> 0;
  const high = Math.floor(seed / 0x1_0000_0000) >>> 0;
  return philox([counter.item, counter.step, counter.stream, 0], [low, high]);
}

/** 64 random bits. */
export function uint64(seed: number, counter: Counter): bigint {
  const [a, b] = block(seed, counter);
  return (BigInt(a) << 32n) | BigInt(b);
}

/** A uniform number in [0, 1) with 53 random bits. */
export function uniform(seed: number, counter: Counter): number {
  return seedFor(seed, counter) / 2 ** 53;
}

/** A seed for another generator: an integer in [0, 2^53). */
export function seedFor(seed: number, counter: Counter): number {
  const [a, b] = block(seed, counter);
  return (a >>> 5) * 0x400_0000 + (b >>> 6);
}

/** `seed + offset` among the whole numbers below 2^53: a larger sum would round to another seed. */
export function nextSeed(seed: number, offset: number): number {
  const room = Number.MAX_SAFE_INTEGER - seed;
  return offset <= room ? seed + offset : offset - room - 1;
}

/** A permutation of 0 … count - 1 (Fisher–Yates), a pure function of (seed, stream, step). */
export function permutation(count: number, seed: number, stream: number, step: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(uniform(seed, { stream, step, item: i }) * (i + 1));
    const moved = order[i]!;
    order[i] = order[j]!;
    order[j] = moved;
  }
  return order;
}
