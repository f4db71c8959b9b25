/**
 * The directory of one run: everything it was made with and everything it made, in the places layout.ts names.
 *
 * Opened on an empty or absent folder it begins a run; on a run's own folder it resumes it, if the config and the
 * hashes of the inputs are the same as before, but for what `mayChange` allows. An open one holds the folder's lock until it is closed: one run writes
 * there at a time. Nothing secret is written (redact.ts), nothing half-written is left (atomic-write.ts).
 */
import { readdir } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { removeTemporaries } from "../files/atomic-write.js";
import { readJson, writeJson } from "../files/json-file.js";
import { isLock, lockFolder } from "../files/lock.js";
import { makeFolder } from "../files/make-folder.js";
import { redact } from "../secrets/redact.js";
import { packageVersion } from "../version.js";
import { type RunPaths, runPaths } from "./layout.js";
import {
  hashInput,
  MANIFEST_VERSION,
  type Manifest,
  type ManifestSession,
  manifestSchema,
} from "./manifest.js";

export interface RunDirectoryOptions {
  /** The whole config with every default filled in: plain JSON. */
  config: Record<string, unknown>;
  /** Files and folders the run reads, by name: { model: "…", train: "…" }. */
  inputs?: Record<string, string>;
  seeds?: Record<string, number>;
  addon?: string | undefined; // its version, when one is loaded
  device?: string | undefined; // as the policy names it
  /** Whether a run may be resumed with another value here: a dotted key of the config, or `inputs.NAME`. Default: no. */
  mayChange?: (key: string) => boolean;
}

export class RunDirectory implements AsyncDisposable {
  readonly dir: string;
  readonly paths: RunPaths;
  readonly manifest: Manifest;
  /** Whether the folder held this run already. */
  readonly resumed: boolean;
  readonly #lock: AsyncDisposable;

  private constructor(dir: string, manifest: Manifest, resumed: boolean, lock: AsyncDisposable) {
    this.dir = dir;
    this.paths = runPaths(dir);
    this.manifest = manifest;
    this.resumed = resumed;
    this.#lock = lock;
  }

  /**
   * @throws SwirlError CONFIG: the folder holds something else, or this run with another config or other inputs, or is
   * open already, in this process or another.
   */
  static async open(path: string, options: RunDirectoryOptions): Promise<RunDirectory> {
    const dir = resolve(path);
    const lock = await lockFolder(dir);
    try {
      const { manifest, resumed } = await begin(dir, options);
      return new RunDirectory(dir, manifest, resumed, lock);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Lets others write there. */
  async close(): Promise<void> {
    await this.#lock[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Writes config and manifest of a new run, or checks those of the one that is there and adds a session. */
async function begin(
  dir: string,
  options: RunDirectoryOptions,
): Promise<{ manifest: Manifest; resumed: boolean }> {
  const paths = runPaths(dir);
  await removeTemporaries(dir);
  const config = redact(JSON.parse(JSON.stringify(options.config)) as Record<string, unknown>);
  const inputs: Manifest["inputs"] = {};
  for (const [name, file] of Object.entries(options.inputs ?? {})) inputs[name] = await hashInput(file);
  const session: ManifestSession = {
    startedAt: new Date().toISOString(),
    package: packageVersion,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    addon: options.addon ?? null,
    device: options.device ?? null,
  };
  const fresh: Manifest = {
    version: MANIFEST_VERSION,
    name: basename(dir),
    seeds: options.seeds ?? {},
    inputs,
    sessions: [session],
  };
  const before = await readManifest(paths.manifest);
  if (!before) {
    // The config comes first and may be left alone by a crash; the manifest makes it a run.
    const others = (await readdir(dir)).filter((name) => name !== basename(paths.config) && !isLock(name));
    if (others.length > 0) throw notEmpty(dir, others);
    await writeJson(paths.config, config);
  } else {
    await requireSame(paths, config, before, fresh, options.mayChange ?? (() => false));
    await writeJson(paths.config, config);
    fresh.sessions.unshift(...before.sessions);
  }
  const manifest = redact(fresh);
  await writeJson(paths.manifest, manifest);
  await makeFolder(paths.checkpoints);
  return { manifest, resumed: before !== undefined };
}

/** undefined when the file is not there. @throws SwirlError RECORD. */
export function readManifest(file: string): Promise<Manifest | undefined> {
  return readJson(
    file,
    manifestSchema,
    "it was written by another version of swirl-rl, or changed: use a new run directory",
  );
}

async function requireSame(
  paths: RunPaths,
  config: Record<string, unknown>,
  before: Manifest,
  now: Manifest,
  mayChange: (key: string) => boolean,
): Promise<void> {
  const old = await readJson(
    paths.config,
    z.record(z.string(), z.unknown()),
    "it was changed after it was written: use a new run directory",
  );
  const changed = changedKeys(old ?? {}, config).filter((key) => !mayChange(key));
  if (changed.length > 0) {
    throw new SwirlError("CONFIG", `${paths.config} has other values for ${changed.join(", ")}`, {
      remedy: "stages that have begun keep their config: use another run directory for another one",
      details: { file: paths.config, field: changed[0]! },
    });
  }
  const moved = Object.keys({ ...before.inputs, ...now.inputs }).filter(
    (name) => before.inputs[name]?.sha256 !== now.inputs[name]?.sha256 && !mayChange(`inputs.${name}`),
  );
  if (moved.length > 0) {
    throw new SwirlError("CONFIG", `the inputs ${moved.join(", ")} changed since the run began`, {
      remedy: "restore the files, or begin a new run directory",
      details: { file: now.inputs[moved[0]!]?.path ?? before.inputs[moved[0]!]!.path },
    });
  }
}

/** Dotted paths whose JSON differs. */
export function changedKeys(a: unknown, b: unknown, path = ""): string[] {
  if (isRecord(a) && isRecord(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap((key) => changedKeys(a[key], b[key], path ? `${path}.${key}` : key));
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [path];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notEmpty(dir: string, names: readonly string[]): SwirlError {
  return new SwirlError(
    "CONFIG",
    `${dir} is no run directory and not empty: it holds ${names.slice(0, 3).join(", ")}`,
    {
      remedy: "name a folder that does not exist yet, or one of a run to resume",
      details: { file: dir },
    },
  );
}
