/**
 * A small seeded random stream, the same on every machine. One seed and one label give one stream, so a new draw in one
 * place changes no other place. It is for data and initial weights; training draws by counter (counter-random.ts).
 *
 * Generator: sfc32 (Chris Doty-Humphrey, PractRand), seeded by hashing the label with FNV-1a.
 */
import { ofArguments } from "../errors/arguments.js";

/** A seeded stream of random numbers. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [low, high], both included. */
  integer(low: number, high: number): number;
  /** One of the items, uniformly. `items` must not be empty; this is not checked. */
  pick<T>(items: readonly T[]): T;
  /** A new array with the same items in a random order. */
  shuffle<T>(items: readonly T[]): T[];
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * Creates a random stream. The same seed and label give the same numbers on every machine.
 *
 * @param seed An integer from 0 up to 2^53 − 1.
 * @param label Names what the stream is for. Streams of different labels are independent.
 * @example
 * const shuffled = createRandom(0, "questions").shuffle(questions);
 */
export function createRandom(seed: number, label: string): Random {
  return ofArguments("createRandom", "(seed: a whole number, label: a text)", () => {
    let a = fnv1a(label);
    let b = seed >>> 0;
    let c = Math.floor(seed / 2 ** 32) >>> 0;
    let counter = 1;
    const word = (): number => {
      const t = (((a + b) | 0) + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + t) | 0;
      return t >>> 0;
    };
    for (let i = 0; i < 12; i++) word();
    const next = () => word() / 2 ** 32;
    const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
    return {
      next,
      integer: (low, high) => ofArguments("integer", "(lowest, highest)", () => integer(low, high)),
      pick: (items) => ofArguments("pick", "an array", () => items[integer(0, items.length - 1)]!),
      shuffle: (items) =>
        ofArguments("shuffle", "an array", () => {
          const out = [...items];
          for (let i = out.length - 1; i > 0; i--) {
            const j = integer(0, i);
            [out[i], out[j]] = [out[j]!, out[i]!];
          }
          return out;
        }),
    };
  });
}

/** Draws a standard normal number (Box–Muller transform). It uses two numbers of the stream. */
export function normal(random: Random): number {
  return ofArguments("normal", "what createRandom returns", () => {
    return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  });
}
