/** What no caller should pass, by name. */

export const throwing = new Proxy(
  {},
  {
    get: () => {
      throw new Error("a getter that throws");
    },
    has: () => {
      throw new Error("a proxy that throws");
    },
    ownKeys: () => {
      throw new Error("a proxy that throws");
    },
  },
);
export const hostileValues: [name: string, value: unknown][] = [
  ["nothing", undefined],
  ["null", null],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-1", -1],
  ["2^60", 2 ** 60],
  ["{}", {}],
  ["[]", []],
  ["[null]", [null]],
  ['""', ""],
  ["NUL", "\0"],
  ["a long text", "x".repeat(10_000)],
  ["true", true],
  ["a symbol", Symbol("s")],
  ["a bigint", 10n],
  ["a function", () => undefined],
  ["a date", new Date(Number.NaN)],
  ["a bare object", Object.create(null)],
  ["a getter that throws", throwing],
];

/** Everything a call gives is asked for: promises are awaited, iterables begun, what can be disposed is. */
export async function use(result: unknown): Promise<void> {
  const value = (await result) as
    | Partial<AsyncIterable<unknown> & AsyncDisposable & { close(): unknown }>
    | undefined;
  if (typeof value !== "object" || value === null || value === throwing) return;
  if (typeof value[Symbol.asyncIterator] === "function")
    for await (const _ of value as AsyncIterable<unknown>) break;
  if (typeof value[Symbol.asyncDispose] === "function") await value[Symbol.asyncDispose]!();
}
