/**
 * Every function and class that src/index.ts exports, called with arguments that no caller should pass: the outcome is
 * a SwirlError or a result, never another error. A new export is walked without being named here.
 */
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import * as api from "../../src/index.js";
import { hostileValues, use } from "../support/hostile-values.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Calls the walk leaves out, and why. */
const LEFT_OUT = new Map([
  ["SwirlError", "it is the error"],
  ["CalculatorError", "it is an error"],
  ...[
    "RunDirectory",
    "EndpointPolicy",
    "ServedPolicy",
    "TinkerPolicy",
    "NativePolicy",
    "Tokenizer",
    "Bm25Index",
    "EmbeddingIndex",
    "VerdictJournal",
  ].map((name): [string, string] => [
    `new ${name}`,
    "its constructor is private: it is opened, loaded or built",
  ]),
]);

/** These document that they throw the file system's own errors. */
const FILE_SYSTEM = new Set(["writeFileAtomic", "writeJson"]);

let folder: string;
beforeAll(() => {
  folder = temporaryFolder();
});

interface Entry {
  name: string;
  call: (...args: unknown[]) => unknown;
}

/** Exported functions, constructors, static methods, and functions of exported objects. */
function entries(): Entry[] {
  const found: Entry[] = [];
  const add = (name: string, owner: object, key: string) => {
    const value = (owner as Record<string, unknown>)[key];
    if (typeof value !== "function" || LEFT_OUT.has(name)) return;
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    if (isClass)
      for (const inner of Object.getOwnPropertyNames(value))
        if (!["length", "name", "prototype"].includes(inner)) add(`${name}.${inner}`, value, inner);
    const called = isClass ? `new ${name}` : name;
    if (LEFT_OUT.has(called)) return;
    found.push({
      name: called,
      call: isClass
        ? (...args) => Reflect.construct(value, args)
        : (...args) => Reflect.apply(value, owner, args),
    });
  };
  for (const [name, value] of Object.entries(api)) {
    add(name, api, name);
    if (typeof value === "object" && value !== null && !name.endsWith("Schema"))
      for (const inner of Object.keys(value)) add(`${name}.${inner}`, value, inner);
  }
  return found;
}

it("walks the whole API", () => {
  const names = entries().map(({ name }) => name);
  expect(names.length).toBeGreaterThan(60);
  for (const name of [
    "train",
    "synthesize",
    "Policy.load",
    "new PromptedJudge",
    "Tokenizer.load",
    "ruleJudges.search",
  ])
    expect(names).toContain(name);
});

it.each(entries().map(({ name, call }) => [name, call] as const))(
  "%s answers hostile arguments with a SwirlError or a result",
  async (name_, call) => {
    const cwd = process.cwd();
    process.chdir(folder); // anything that is written goes there
    const wrong: string[] = [];
    try {
      const good = join(folder, "no-such-folder");
      const tuples: [string, unknown[]][] = hostileValues.flatMap(([name, value]) => [
        [name, [value]] as [string, unknown[]],
        [`${name}, twice`, [value, value]],
        [`a path, ${name}`, [good, value]],
        [`[], ${name}`, [[], value]],
      ]);
      for (const [name, args] of [["no arguments", []] as [string, unknown[]], ...tuples]) {
        try {
          await use(call(...args));
        } catch (error) {
          const ofFileSystem = (error as NodeJS.ErrnoException | undefined)?.syscall !== undefined;
          if (!api.SwirlError.isInstance(error) && !(ofFileSystem && FILE_SYSTEM.has(name_)))
            wrong.push(
              `${name}: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`,
            );
        }
      }
    } finally {
      process.chdir(cwd);
    }
    expect(wrong).toEqual([]);
  },
);
