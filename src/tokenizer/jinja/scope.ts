/** The state of an evaluation: the names of each block, its output, and the `loop` variable of a `for`. */
import type { Budget } from "./budget.js";
import { concat, type Str, textOf } from "./text.js";
import { Callable, isEqual, Namespace, or, Tuple, Undefined, type Value } from "./values.js";

/** Names of one block; those of the blocks around it are looked up through `outer`. */
export class Scope {
  readonly #names = new Map<string, Value>();
  constructor(readonly outer?: Scope) {}

  get(name: string): Value {
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) {
      const value = scope.#names.get(name);
      if (value !== undefined) return value;
    }
    return new Undefined(JSON.stringify(name));
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}

/** Thrown by `break` and `continue`, and caught by the loop around them. */
export class LoopControl extends Error {
  constructor(readonly stops: boolean) {
    super(stops ? "break outside of a loop" : "continue outside of a loop");
  }
}

/** The `loop` variable. */
export class Loop {
  #changed: Value | undefined;
  constructor(
    readonly list: readonly Value[],
    readonly budget: Budget,
  ) {}

  at(index: number): Namespace {
    const { length } = this.list;
    return new Namespace(
      new Map<string, Value>([
        ["index", BigInt(index + 1)],
        ["index0", BigInt(index)],
        ["revindex", BigInt(length - index)],
        ["revindex0", BigInt(length - index - 1)],
        ["first", index === 0],
        ["last", index === length - 1],
        ["length", BigInt(length)],
        ["previtem", or(this.list[index - 1], new Undefined("the item before the first"))],
        ["nextitem", or(this.list[index + 1], new Undefined("the item after the last"))],
        [
          "cycle",
          new Callable("cycle", (args) => or(args[index % args.length], new Undefined("an empty cycle"))),
        ],
        ["changed", new Callable("changed", (args) => this.#isChanged(new Tuple(args)))],
      ]),
    );
  }

  #isChanged(value: Value): boolean {
    const changed = this.#changed === undefined || !isEqual(this.#changed, value, this.budget);
    this.#changed = value;
    return changed;
  }
}

/** Text of a block that `break` or `continue` leaves early still counts. */
export class Output {
  text: Str = "";
  constructor(readonly budget: Budget) {}
  add(piece: Str): void {
    this.budget.append(textOf(this.text).length, textOf(piece).length);
    this.text = concat(this.text, piece);
  }
}
