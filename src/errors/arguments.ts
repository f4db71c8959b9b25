/** Checks of what callers pass: a wrong argument is an error of the package, never a raw TypeError. */
import { type ErrorCode, SwirlError } from "./swirl-error.js";

/**
 * Runs a function that depends on its arguments alone. Only an argument can make such a function fail, so anything that
 * it throws, including an error from a getter, becomes an INPUT error that shows the expected arguments.
 */
export function ofArguments<Result>(
  call: string,
  takes: string,
  work: () => Result,
  code: ErrorCode = "INPUT",
): Result {
  try {
    return work();
  } catch (cause) {
    throw wrongArguments(call, takes, cause, code);
  }
}

/** The same for a function that reads and writes: errors of the file system become INPUT errors as well. */
export async function ofArgumentsAsync<Result>(
  call: string,
  takes: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    throw wrongArguments(call, takes, cause, "INPUT");
  }
}

/** @throws SwirlError INPUT unless `path` can be a path. */
export function requirePath(call: string, path: unknown): asserts path is string {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return;
  throw new SwirlError("INPUT", `${call}: the path ${shown(path)}`, {
    remedy: "give a path as text, not empty and without NUL characters",
    details: { field: "path" },
  });
}

function shown(value: unknown): string {
  if (typeof value === "string") return value === "" ? "is empty" : "holds a NUL character";
  return value === null || value === undefined ? `is ${value}` : `is a ${typeof value}`;
}

function wrongArguments(call: string, takes: string, cause: unknown, code: ErrorCode): SwirlError {
  if (SwirlError.isInstance(cause)) return cause;
  const message = cause instanceof Error ? cause.message : typeof cause;
  return new SwirlError(code, `${call}: wrong arguments (${message})`, {
    remedy: `${call} takes ${takes}`,
    cause,
  });
}

/** The same for a generator. Errors thrown by its consumer do not pass through it. */
export async function* ofArgumentsEach<Item>(
  call: string,
  takes: string,
  work: () => AsyncGenerator<Item, void, undefined>,
): AsyncGenerator<Item, void, undefined> {
  try {
    yield* work();
  } catch (cause) {
    throw wrongArguments(call, takes, cause, "INPUT");
  }
}

/**
 * Makes methods of a class throw an INPUT error for wrong arguments, which shows the expected ones. `takes` maps a
 * method to its arguments. Errors of the file system are passed on unchanged.
 */
export function checkedMethods<Instance extends object>(
  type: { readonly name: string; readonly prototype: Instance },
  takes: Partial<Record<keyof Instance & string, string>>,
): void {
  for (const [method, wanted] of Object.entries(takes)) {
    const { value, ...descriptor } = Object.getOwnPropertyDescriptor(type.prototype, method)!;
    const fail = (cause: unknown): never => {
      if ((cause as NodeJS.ErrnoException | null)?.syscall !== undefined) throw cause;
      throw wrongArguments(`${type.name}.${method}`, wanted as string, cause, "INPUT");
    };
    function checked(this: Instance, ...args: unknown[]): unknown {
      try {
        const result: unknown = Reflect.apply(value, this, args);
        return result instanceof Promise ? result.catch(fail) : result;
      } catch (cause) {
        return fail(cause);
      }
    }
    Object.defineProperty(checked, "name", { value: method });
    Object.defineProperty(type.prototype, method, { ...descriptor, value: checked });
  }
}
