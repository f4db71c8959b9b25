/**
 * From a config file and flags to one object: JSON read, ${NAME} in texts replaced from the environment, paths made
 * absolute (those of the file against its folder, those of flags against the working directory), overrides applied.
 * config-schema.ts defines what the keys mean.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";
import { parseJsonText } from "../files/json-file.js";
import { cachedSnapshot, isHubName } from "../hub/hub-cache.js";
import { expandHome } from "../policy/model-folder.js";
import type { Invocation } from "./subcommand.js";

export type RawConfig = Record<string, unknown>;

/** Places that hold a path; `*` is any key, or any place of a list. */
const PATHS = [
  "model",
  "base",
  "output",
  "questions.*.file",
  "sft.demonstrations.file",
  "sft.trajectories",
  "task.corpus",
  "task.examples.file",
  "judge.model",
  "judge.judges.*.model",
  "rewardJudge.model",
  "rewardJudge.judges.*.model",
  "train.reference",
  "evaluate.sets.*.questions.file",
  "evaluate.sets.*.task.corpus",
  "evaluate.sets.*.task.examples.file",
].map((path) => path.split("."));

/** Those that hold a model. */
const MODELS = PATHS.filter((path) => /^(model|reference|base)$/.test(path.at(-1)!));

export async function loadConfig(
  invocation: Pick<Invocation, "config" | "overrides">,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<RawConfig> {
  let config: RawConfig = {};
  if (invocation.config !== undefined) {
    const file = resolve(invocation.config);
    const replaced = new Set(invocation.overrides.map(({ path }) => path));
    config = expand(await readConfig(file), { environment, file, replaced }) as RawConfig;
    for (const path of MODELS) await useCachedModels(config, path, dirname(file));
    for (const path of PATHS) resolvePaths(config, path, dirname(file));
  }
  for (const { path, value } of invocation.overrides) put(config, path.split("."), value);
  for (const path of MODELS) await useCachedModels(config, path, process.cwd());
  for (const path of PATHS) resolvePaths(config, path, process.cwd());
  return config;
}

async function readConfig(file: string): Promise<RawConfig> {
  let value: unknown;
  try {
    value = parseJsonText(await readFile(file, "utf8"));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new SwirlError(
      "CONFIG",
      `${file}: ${missing ? "there is no such file" : (error as Error).message}`,
      {
        remedy: missing ? "check --config" : "it must be JSON, without comments",
        details: { file },
        cause: error,
      },
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new SwirlError("CONFIG", `${file}: it must hold one JSON object`, { details: { file } });
  return value as RawConfig;
}

interface Expansion {
  environment: NodeJS.ProcessEnv;
  file: string;
  /** Paths that a flag replaces: variables in them need not be set. */
  replaced: ReadonlySet<string>;
}

/** ${NAME} becomes the variable, ${NAME:-text} the variable or else the text. */
function expand(value: unknown, expansion: Expansion, at = ""): unknown {
  const { environment, file, replaced } = expansion;
  if (replaced.has(at)) return value;
  if (typeof value === "string")
    return value.replace(
      /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g,
      (_, name: string, otherwise: string | undefined) => {
        const found = environment[name] || otherwise;
        if (found !== undefined) return found;
        throw new SwirlError("CONFIG", `${file}: ${at} needs the environment variable ${name}`, {
          remedy: `set ${name}, or write the value itself (flags override it: --set ${at}=…)`,
          details: { file, field: at },
        });
      },
    );
  if (Array.isArray(value)) return value.map((item, i) => expand(item, expansion, `${at}[${i}]`));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    expand(item, expansion, at ? `${at}.${key}` : key),
  ]);
  return Object.fromEntries(entries);
}

/** "org/name" of the hub becomes its snapshot in the Hugging Face cache, unless there is such a folder. */
async function useCachedModels(config: RawConfig, path: readonly string[], base: string): Promise<void> {
  const [key, ...rest] = path;
  for (const name of key === "*" ? Object.keys(config) : [key!]) {
    const value = Object.hasOwn(config, name) ? config[name] : undefined;
    if (rest.length > 0) {
      if (typeof value === "object" && value !== null) await useCachedModels(value as RawConfig, rest, base);
    } else if (typeof value === "string" && isHubName(value) && !existsSync(resolve(base, value))) {
      config[name] = (await cachedSnapshot(value)) ?? value;
    }
  }
}

/** Makes the text at `path` absolute. A path that is absolute already stays. */
function resolvePaths(config: RawConfig, path: readonly string[], base: string): void {
  const [key, ...rest] = path;
  for (const name of key === "*" ? Object.keys(config) : [key!]) {
    if (!Object.hasOwn(config, name)) continue;
    const value = config[name];
    if (rest.length === 0) {
      const absolute = (item: unknown) => (typeof item === "string" ? resolve(base, expandHome(item)) : item);
      config[name] = Array.isArray(value) ? value.map(absolute) : absolute(value);
    } else if (typeof value === "object" && value !== null) {
      resolvePaths(value as RawConfig, rest, base);
    }
  }
}

/** Names that lead to an object's prototype. They are not config keys, and setting them would change every object. */
const PROTOTYPES = new Set(["__proto__", "prototype", "constructor"]);

function put(config: RawConfig, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (PROTOTYPES.has(key!) || key === "")
    throw new SwirlError(
      "CONFIG",
      `${JSON.stringify(path.join("."))}: ${JSON.stringify(key)} is not a key of the config`,
      {
        remedy: "write --set path=value, such as train.lr=1e-5; see docs/configuration.md",
        details: { field: key! },
      },
    );
  if (rest.length === 0) {
    config[key!] = value;
    return;
  }
  const inner = Object.hasOwn(config, key!) ? config[key!] : undefined;
  if (inner !== undefined && (typeof inner !== "object" || inner === null))
    throw new SwirlError(
      "CONFIG",
      `${path.join(".")}: ${key} is ${JSON.stringify(inner)}, which has no keys`,
      {
        details: { field: key! },
      },
    );
  const next = (inner ?? {}) as RawConfig;
  config[key!] = next;
  put(next, rest, value);
}
