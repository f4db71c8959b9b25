/**
 * Renders a chat template, which comes with a checkpoint and is therefore untrusted, as jinja2 under transformers does.
 *
 * Guarantees: a rendering ends within its bounds of steps, time and memory, since every operation is charged before it
 * works; nothing of the process is reachable; the result records who wrote each character. Every failure is a
 * SwirlError of code CHECKPOINT, except that a template which calls raise_exception throws TemplateRefusal.
 */
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import { BoundError, Budget, JINJA_BOUNDS, type JinjaBounds } from "./jinja/budget.js";
import { Evaluator } from "./jinja/evaluate.js";
import { Scope } from "./jinja/scope.js";
import { type Node, parseTemplate } from "./jinja/syntax.js";
import { type Str, textOf } from "./jinja/text.js";
import {
  Callable,
  Dict,
  isNumeric,
  iterate,
  Namespace,
  plainNumber,
  type Tuple,
  TypeFault,
  type Value,
  View,
} from "./jinja/values.js";
import { toText } from "./jinja/write.js";

export { JINJA_BOUNDS, type JinjaBounds };

/** Thrown when a template calls raise_exception, as templates do for conversations that they do not support. */
export class TemplateRefusal extends Error {}

export class BoundedTemplate {
  readonly #program: Node[];

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
      this.#program = parseTemplate(source);
    } catch (cause) {
      throw this.#error(`does not parse: ${message(cause)}`, cause);
    }
  }

  /**
   * The rendered text. Throws TemplateRefusal when the template itself raises, SwirlError for everything else.
   * `inputCharacters` is the size of what `variables` hold.
   */
  render(variables: Readonly<Record<string, Value>>, inputCharacters: number): Str {
    const budget = new Budget(this.bounds, inputCharacters);
    try {
      const scope = new Scope();
      for (const [name, value] of Object.entries({ ...globals(budget), ...variables }))
        scope.set(name, value);
      return new Evaluator(budget).run(this.#program, new Scope(scope));
    } catch (cause) {
      if (cause instanceof TemplateRefusal) throw cause;
      if (cause instanceof BoundError) throw this.#error(`was stopped: it needs ${cause.message}`, cause);
      throw this.#error(`does not render: ${message(cause)}`, cause);
    }
  }

  #error(what: string, cause?: unknown): SwirlError {
    return new SwirlError("CHECKPOINT", `chat template ${this.file} ${what}`, {
      remedy: "compare the file with the model's original, or pass another template as `chatTemplate`",
      details: { file: this.file, field: "chat_template" },
      cause,
    });
  }
}

/** What transformers gives every template. */
function globals(budget: Budget): Record<string, Value> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: new Callable("raise_exception", ([text]) => {
      throw new TemplateRefusal(textOf(toText(text ?? "", budget)));
    }),
    range: new Callable("range", (args) => range(args, budget)),
    strftime_now: new Callable("strftime_now", ([format]) => {
      const codes = textOf(toText(format ?? "", budget));
      budget.make(codes.length * 9);
      return formatDate(new Date(), codes);
    }),
    namespace: new Callable("namespace", (args, named) => {
      return new Namespace(new Map([...pairs(args, budget), ...named]));
    }),
    dict: new Callable("dict", (args, named) => {
      const dict = new Dict();
      for (const [key, value] of [...pairs(args, budget), ...named]) dict.set(key, value);
      return dict;
    }),
  };
}

function pairs(args: readonly Value[], budget: Budget): [string, Value][] {
  return args.flatMap((arg) => {
    const entries =
      arg instanceof Dict ? arg.entries() : iterate(arg, () => []).map((pair) => (pair as Tuple).items);
    budget.list(entries.length);
    return entries.map(([key, value]) => [textOf(key as Str), value!] as [string, Value]);
  });
}

function range(args: readonly Value[], budget: Budget): View {
  const numbers = args.map((arg) => {
    const number = isNumeric(arg) ? plainNumber(arg) : undefined;
    if (typeof number !== "bigint") throw new TypeFault("range() needs whole numbers");
    return Number(number);
  });
  const [start, stop, step] =
    numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 1];
  if (step === 0 || numbers.length === 0 || numbers.length > 3)
    throw new TypeFault("range() needs one to three numbers, the step not 0");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  budget.list(length);
  const list = Array.from({ length }, (_, index) => BigInt(start + index * step));
  return new View("range", list, `range(${start}, ${stop}${step === 1 ? "" : `, ${step}`})`);
}

function message(error: unknown): string {
  return messageOf(error);
}

const MONTHS = "January February March April May June July August September October November December".split(
  " ",
);
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** The strftime codes that chat templates use, in English, as transformers prints them. */
function formatDate(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const month = MONTHS[date.getMonth()]!;
  const day = DAYS[date.getDay()]!;
  const codes: Record<string, string> = {
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    b: month.slice(0, 3),
    B: month,
    a: day.slice(0, 3),
    A: day,
    H: two(date.getHours()),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    "%": "%",
  };
  return format.replace(/%(.)/g, (whole, code: string) => codes[code] ?? whole);
}
