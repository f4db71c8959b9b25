/** Reads the arguments of a method, filter or function: positional first, then by name. */
import { isStr, type Str, textOf } from "./text.js";
import { isTrue, TypeFault, typeName, type Value } from "./values.js";

export class Arguments {
  readonly #given: Value[];
  readonly #named: Map<string, Value>;

  constructor(
    readonly of: string,
    args: readonly Value[],
    named: ReadonlyMap<string, Value>,
    names: readonly string[],
  ) {
    this.#given = [...args];
    this.#named = new Map(named);
    if (args.length > names.length) throw new TypeFault(`${of}() takes at most ${names.length} arguments`);
    for (const name of named.keys()) {
      if (!names.includes(name)) throw new TypeFault(`${of}() has no argument ${name}`);
    }
    this.#names = names;
  }
  readonly #names: readonly string[];

  value(name: string): Value | undefined {
    const index = this.#names.indexOf(name);
    return index < this.#given.length ? this.#given[index] : this.#named.get(name);
  }

  required(name: string): Value {
    const value = this.value(name);
    if (value === undefined) throw new TypeFault(`${this.of}() needs its argument ${name}`);
    return value;
  }

  text(name: string): Str | undefined {
    const value = this.value(name);
    if (value === undefined || value === null) return undefined;
    if (!isStr(value)) throw new TypeFault(`${this.of}(): ${name} must be str, not ${typeName(value)}`);
    return value;
  }

  requiredText(name: string): Str {
    const value = this.text(name);
    if (value === undefined) throw new TypeFault(`${this.of}() needs its argument ${name}`);
    return value;
  }

  plain(name: string): string | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : textOf(value);
  }

  integer(name: string, otherwise: number): number {
    const value = this.value(name);
    if (value === undefined || value === null) return otherwise;
    if (typeof value === "boolean") return value ? 1 : 0;
    if (typeof value !== "bigint")
      throw new TypeFault(`${this.of}(): ${name} must be int, not ${typeName(value)}`);
    return Number(value);
  }

  flag(name: string, otherwise = false): boolean {
    const value = this.value(name);
    return value === undefined ? otherwise : isTrue(value);
  }
}
