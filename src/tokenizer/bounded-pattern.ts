/**
 * The patterns of a tokenizer.json, which come with a checkpoint and are therefore untrusted: one such as `(a+)+$` never
 * ends on some texts. A regular expression cannot be stopped in its own thread, so every pattern that is not known to
 * be fast is matched in a worker, which is ended when its time is up.
 *
 * Guarantees: a match takes at most MILLISECONDS of processor time, then it is an error; known patterns run as they are.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { SwirlError } from "../errors/swirl-error.js";
import { GPT2_WORDS } from "./exact-steps.js";

const MILLISECONDS = 2_000;
/** Wall time after which a match ends, however little of it a loaded machine gave to this process. */
const MOST_MILLISECONDS = 20_000;

/** How the large families split words. None of them visits a character more than a few times. */
const FAST = new Set([
  GPT2_WORDS,
  "\\p{N}",
  "\\p{N}+",
  "\\p{N}{1,3}",
  "[0-9]",
  "\\d",
  // GPT-4 and Llama 3, and Qwen 2 to 3, which split numbers into digits
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  // Mistral's tekken
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
]);

/** Stands for a RegExp in String's match, matchAll, split and replaceAll. */
class BoundedPattern {
  readonly flags: string;
  readonly #source: string;

  constructor(
    pattern: RegExp,
    private readonly file: string,
  ) {
    this.flags = pattern.flags;
    this.#source = pattern.source;
  }

  *[Symbol.matchAll](text: string): Generator<RegExpExecArray> {
    for (const [start, end] of this.#spans(text)) {
      yield Object.assign([text.slice(start, end)] as [string], {
        index: start,
        input: text,
      }) as RegExpExecArray;
    }
  }

  [Symbol.match](text: string): string[] | null {
    const found = this.#spans(text).map(([start, end]) => text.slice(start, end));
    return found.length > 0 ? found : null;
  }

  [Symbol.split](text: string): string[] {
    const parts: string[] = [];
    let from = 0;
    for (const [start, end] of this.#spans(text)) {
      if (end === start) continue;
      parts.push(text.slice(from, start));
      from = end;
    }
    return [...parts, text.slice(from)];
  }

  [Symbol.replace](text: string, replacement: string): string {
    let out = "";
    let from = 0;
    for (const [start, end] of this.#spans(text)) {
      out += text.slice(from, start) + replacement;
      from = end;
    }
    return out + text.slice(from);
  }

  #spans(text: string): [start: number, end: number][] {
    const answer = ask({ source: this.#source, flags: this.flags, text });
    if (typeof answer === "string") {
      throw new SwirlError(
        "CHECKPOINT",
        `${this.file}: the pattern /${this.#source.slice(0, 80)}/ ${answer}`,
        {
          remedy: "compare the file with the model's original",
          details: { file: this.file, field: "pattern", characters: text.length },
        },
      );
    }
    return answer;
  }
}

interface Question {
  source: string;
  flags: string;
  text: string;
}

type Answer = [number, number][] | string;

/** In plain JavaScript, since the worker runs this source text. */
const WORKER = `
const { workerData: { port, signal } } = require("node:worker_threads");
port.on("message", ({ source, flags, text }) => {
  let answer;
  try {
    answer = Array.from(text.matchAll(new RegExp(source, flags)), (m) => [m.index, m.index + m[0].length]);
  } catch (error) {
    answer = "fails: " + error.message;
  }
  port.postMessage(answer);
  Atomics.store(signal, 0, 1);
  Atomics.notify(signal, 0);
});`;

let running: { worker: Worker; port: MessagePort; signal: Int32Array } | undefined;

function start() {
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const { port1: port, port2 } = new MessageChannel();
  const worker = new Worker(WORKER, {
    eval: true,
    workerData: { port: port2, signal },
    transferList: [port2],
    resourceLimits: { maxOldGenerationSizeMb: 512 },
    execArgv: [],
  });
  // Without a listener, a worker that runs out of memory would be an uncaught error here.
  worker.on("error", () => {});
  worker.unref();
  port.unref();
  return { worker, port, signal };
}

function ask(question: Question): Answer {
  running ??= start();
  const { worker, port, signal } = running;
  Atomics.store(signal, 0, 0);
  port.postMessage(question);
  // This thread waits, so that the process's time is the worker's, and that of the engine where it is at work.
  const began = performance.now();
  const before = process.cpuUsage();
  for (let wait = MILLISECONDS; wait > 0; ) {
    if (Atomics.wait(signal, 0, 0, wait) !== "timed-out") break;
    const { user, system } = process.cpuUsage(before);
    const left = Math.min(
      MILLISECONDS - (user + system) / 1000,
      MOST_MILLISECONDS - (performance.now() - began),
    );
    wait = left > 0 ? Math.max(left, 100) : 0;
  }
  const answer = receiveMessageOnPort(port)?.message as Answer | undefined;
  if (answer !== undefined) return answer;
  running = undefined;
  port.close();
  void worker.terminate();
  return `takes more than ${MILLISECONDS} ms of processor time for a text of ${question.text.length} characters`;
}

interface Step {
  config?: { pattern?: { Regex?: string } };
  pattern?: unknown;
  tokenizers?: Step[];
  normalizers?: Step[];
}

/** Puts bounds on every pattern within the steps of a normalizer or pre-tokenizer of the tokenizers package. */
export function boundPatterns(step: unknown, file: string): void {
  // The package's steps are functions with fields.
  if ((typeof step !== "object" && typeof step !== "function") || step === null) return;
  const { config, pattern, tokenizers = [], normalizers = [] } = step as Step;
  const source = config?.pattern?.Regex;
  if (pattern instanceof RegExp && source !== undefined && !FAST.has(source)) {
    (step as Step).pattern = new BoundedPattern(pattern, file);
  }
  for (const inner of [...tokenizers, ...normalizers]) boundPatterns(inner, file);
}
