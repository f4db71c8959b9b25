/**
 * Feeds a parser with seeded inputs. Each must give a value or a SwirlError, in time, the same one twice, without
 * changes to the prototypes of Object and Array, and its value must keep the parser's promises. Input `i` of a seed
 * depends on parser, seed and `i` alone.
 */
import { Worker } from "node:worker_threads";
import { SwirlError } from "../../../src/errors/swirl-error.js";
import { createRandom } from "../../../src/random/random.js";
import { minimize } from "./minimize.js";
import type { FuzzedParser } from "./parser.js";

/** Processor time that one input may take. */
export const BOUND_MS = 2_000;
/** Wall time after which the process ends itself: an input that never comes back cannot be interrupted. */
const HANG_MS = 60_000;
/** Every so many inputs are read twice. */
const TWICE_EVERY = 8;

export interface Failure {
  parser: string;
  seed: number;
  index: number;
  problem: string;
  input: string;
}

export interface FuzzResult {
  parser: string;
  count: number;
  seconds: number;
  /** Inputs that were refused with an error; the others were read. */
  refused: number;
  failures: Failure[];
}

export async function fuzz(
  parser: FuzzedParser,
  {
    count,
    seed,
    first = 0,
    failures: most = 5,
    seconds = Number.POSITIVE_INFINITY,
  }: { count: number; seed: number; first?: number; failures?: number; seconds?: number },
): Promise<FuzzResult> {
  const watch = watchdog(parser.name, seed);
  const result: FuzzResult = { parser: parser.name, count: 0, seconds: 0, refused: 0, failures: [] };
  const begin = performance.now();
  const kinds = new Set<string>();
  for (let index = first; index < first + count && result.failures.length < most; index++) {
    if (performance.now() - begin > seconds * 1000) break;
    watch.at(index);
    result.count++;
    const input = parser.input(createRandom(seed, `${parser.name}/${index}`));
    const { problem, refused } = await examine(parser, input, index % TWICE_EVERY === 0);
    if (refused) result.refused++;
    if (problem === undefined) continue;
    // The same problem at other places is shown once.
    const kind = problem.replace(/\d+|"[^"]*"/g, "…");
    if (kinds.has(kind)) continue;
    kinds.add(kind);
    watch.at(-1);
    const sameKind = async (text: string) =>
      (await examine(parser, text, true)).problem?.replace(/\d+|"[^"]*"/g, "…") === kind;
    result.failures.push({
      parser: parser.name,
      seed,
      index,
      problem,
      input: await minimize(input, sameKind),
    });
  }
  result.seconds = (performance.now() - begin) / 1000;
  await watch.end();
  return result;
}

interface Outcome {
  refused: boolean;
  problem?: string;
  value: string;
}

async function examine(parser: FuzzedParser, input: string, twice: boolean): Promise<Outcome> {
  const began = performance.now();
  const before = process.cpuUsage();
  const first = await outcome(parser, input);
  if (performance.now() - began > BOUND_MS) {
    const { user, system } = process.cpuUsage(before);
    const spent = (user + system) / 1000;
    if (spent > BOUND_MS) return { ...first, problem: `takes ${Math.round(spent)} ms of processor time` };
  }
  const trace = polluted();
  if (trace !== undefined) return { ...first, problem: `writes ${trace}` };
  if (first.problem !== undefined || !twice) return first;
  const second = await outcome(parser, input);
  return second.value === first.value ? first : { ...first, problem: "gives another result the second time" };
}

async function outcome(parser: FuzzedParser, input: string): Promise<Outcome> {
  try {
    const read = parser.read(input);
    return {
      refused: false,
      value: JSON.stringify(read instanceof Promise ? await read : read) ?? "undefined",
    };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: "no Error", message: String(error) };
    const value = `${name}: ${message}`;
    if (SwirlError.isInstance(error) || parser.refuses?.(error)) return { refused: true, value };
    const at =
      error instanceof Error ? /\((?:file:\/\/)?[^)]*?(src\/[^)]+)\)/.exec(error.stack ?? "")?.[1] : "";
    return {
      refused: false,
      value,
      problem: `${error?.constructor?.name ?? name}: ${message} ${at ?? ""}`.trim(),
    };
  }
}

/** Removes what an input left on a prototype, and returns it. */
function polluted(): string | undefined {
  for (const [name, prototype] of [
    ["Object", Object.prototype],
    ["Array", Array.prototype],
  ] as const) {
    const [key] = Object.keys(prototype);
    if (key === undefined) continue;
    delete (prototype as unknown as Record<string, unknown>)[key];
    return `${name}.prototype.${key}`;
  }
  return undefined;
}

/** Ends the process, and names the input, when one does not come back. */
function watchdog(parser: string, seed: number) {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { workerData: { shared, parser, seed, wait } } = require("node:worker_threads");
     let seen = -2;
     setInterval(() => {
       const now = Atomics.load(shared, 0);
       if (now >= 0 && now === seen) {
         require("node:fs").writeSync(2, \`\${parser}: input \${now} of seed \${seed} does not come back in \${wait} ms\\n\`);
         process.kill(process.pid, "SIGKILL");
       }
       seen = now;
     }, wait);`,
    { eval: true, workerData: { shared, parser, seed, wait: HANG_MS }, execArgv: [] },
  );
  worker.unref();
  return {
    at: (index: number) => void Atomics.store(shared, 0, index),
    end: () => worker.terminate(),
  };
}
