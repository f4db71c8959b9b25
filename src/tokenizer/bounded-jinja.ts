/**
 * Renders a chat template, which comes with a checkpoint and is therefore untrusted, within bounds.
 *
 * Guarantees: evaluation stops after `steps` nodes or `milliseconds`, no intermediate string or list grows past its
 * limit, `range` is bounded, nothing of the process is reachable. Every failure is a SwirlError of code CHECKPOINT.
 * Blocks are trimmed as transformers does (trim_blocks, lstrip_blocks).
 */
import * as jinja from "@huggingface/jinja";
import { SwirlError } from "../errors/swirl-error.js";

/** The parts of the jinja package used here; its own declarations do not resolve under NodeNext. */
interface Statement {
  type: string;
}
interface Value {
  value: unknown;
}
interface Scope {
  set(name: string, value: unknown): void;
}
interface Evaluator {
  run(program: Statement): Value;
  evaluate(statement: Statement | undefined, scope: Scope): Value;
}
const { Environment, Interpreter, parse, tokenize } = jinja as unknown as {
  Environment: new () => Scope;
  Interpreter: new (scope: Scope) => Evaluator;
  parse(tokens: unknown): Statement;
  tokenize(source: string, options: { trim_blocks: boolean; lstrip_blocks: boolean }): unknown;
};

export interface JinjaBounds {
  /** Characters of the template itself. */
  source: number;
  /** Nodes evaluated in one rendering, and the elements and blocks of 256 characters they yield. */
  steps: number;
  milliseconds: number;
  /** Elements of any list, and of `range`. */
  elements: number;
  /** Largest number that a template may write or compute (it may set an indent). */
  integer: number;
  /** Characters of any string beyond 16 times those of the input. */
  characters: number;
}

export const JINJA_BOUNDS: JinjaBounds = {
  source: 1_000_000,
  steps: 5_000_000,
  milliseconds: 5_000,
  elements: 100_000,
  integer: 1_000_000,
  characters: 1_000_000,
};

/** A template that calls raise_exception says which conversations it does not support. */
export class TemplateRefusal extends Error {}

class BoundError extends Error {}

class BoundedInterpreter extends Interpreter {
  #steps = 0;
  #nextLook = 0;
  readonly #deadline: number;

  constructor(
    environment: Scope,
    private readonly bounds: JinjaBounds,
    private readonly characters: number,
  ) {
    super(environment);
    this.#deadline = performance.now() + bounds.milliseconds;
  }

  override evaluate(statement: Statement | undefined, scope: Scope): Value {
    this.#spend(1);
    const result = super.evaluate(statement, scope);
    const value: unknown = result.value;
    if (typeof value === "string") {
      if (value.length > this.characters) {
        throw new BoundError(`a string of more than ${this.characters} characters`);
      }
      this.#spend(value.length / 256);
    } else if (Array.isArray(value)) {
      if (value.length > this.bounds.elements) {
        throw new BoundError(`a list of more than ${this.bounds.elements} elements`);
      }
      this.#spend(value.length);
    } else if (typeof value === "number" && isComputed(statement)) {
      if (Math.abs(value) > this.bounds.integer) throw new BoundError(`the number ${value}`);
    }
    return result;
  }

  /** Counts work: nodes, elements and blocks of characters; looks at the clock now and then. */
  #spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > this.bounds.steps) throw new BoundError(`more than ${this.bounds.steps} steps`);
    if (this.#steps < this.#nextLook) return;
    this.#nextLook = this.#steps + 1_000;
    if (performance.now() > this.#deadline) {
      throw new BoundError(`more than ${this.bounds.milliseconds} ms`);
    }
  }
}

function isComputed(statement: Statement | undefined): boolean {
  return (
    statement?.type === "IntegerLiteral" ||
    statement?.type === "FloatLiteral" ||
    statement?.type === "BinaryExpression"
  );
}

export class BoundedTemplate {
  readonly #program: Statement;

  /** `file` names the template in errors. */
  constructor(
    readonly source: string,
    private readonly file: string,
    private readonly bounds: JinjaBounds = JINJA_BOUNDS,
  ) {
    if (source.length > bounds.source) {
      throw this.#error(`is ${source.length} characters long, more than ${bounds.source}`);
    }
    try {
      this.#program = parse(tokenize(source, { trim_blocks: true, lstrip_blocks: true }));
    } catch (cause) {
      throw this.#error(`does not parse: ${message(cause)}`, cause);
    }
  }

  /**
   * The rendered text. Throws TemplateRefusal when the template itself raises, SwirlError for everything else.
   * `inputCharacters` is the size of what `variables` hold.
   */
  render(variables: Record<string, unknown>, inputCharacters: number): string {
    const environment = this.#globals(variables);
    const characters = this.bounds.characters + 16 * inputCharacters;
    try {
      const result = new BoundedInterpreter(environment, this.bounds, characters).run(this.#program);
      return String(result.value);
    } catch (cause) {
      if (cause instanceof TemplateRefusal) throw cause;
      if (cause instanceof BoundError) throw this.#error(`was stopped: it needs ${cause.message}`, cause);
      throw this.#error(`does not render: ${message(cause)}`, cause);
    }
  }

  #globals(variables: Record<string, unknown>): Scope {
    const environment = new Environment();
    const globals: Record<string, unknown> = {
      true: true,
      false: false,
      none: null,
      True: true,
      False: false,
      None: null,
      raise_exception: (text: unknown) => {
        throw new TemplateRefusal(String(text));
      },
      range: (start: number, stop?: number, step?: number) => this.#range(start, stop, step),
      strftime_now: (format: string) => formatDate(new Date(), format),
      ...variables,
    };
    for (const [name, value] of Object.entries(globals)) environment.set(name, value);
    return environment;
  }

  #range(first: number, second?: number, step = 1): number[] {
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    const length = Math.ceil((stop - start) / step);
    if (!(length <= this.bounds.elements)) throw new BoundError(`range(${start}, ${stop}, ${step})`);
    return Array.from({ length: Math.max(0, length) }, (_, index) => start + index * step);
  }

  #error(what: string, cause?: unknown): SwirlError {
    return new SwirlError("CHECKPOINT", `chat template ${this.file} ${what}`, {
      remedy: "compare the file with the model's original, or pass another template as `chatTemplate`",
      details: { file: this.file, field: "chat_template" },
      cause,
    });
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const MONTHS = "January February March April May June July August September October November December".split(
  " ",
);

/** The strftime codes that chat templates use, in English, as transformers prints them. */
function formatDate(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const month = MONTHS[date.getMonth()]!;
  const codes: Record<string, string> = {
    Y: String(date.getFullYear()),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    b: month.slice(0, 3),
    B: month,
    H: two(date.getHours()),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    "%": "%",
  };
  return format.replace(/%(.)/g, (whole, code: string) => codes[code] ?? whole);
}
