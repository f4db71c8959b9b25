/**
 * The directory of one run: its config, manifest and results, at the paths of layout.ts.
 *
 * Opening an empty or absent folder begins a run. Opening the folder of a run resumes it, when the config and the
 * hashes of the inputs are unchanged, except where `mayChange` allows it. An open directory holds the folder's lock:
 * one run writes there at a time. No secret is written (redact.ts), and no partial file is left (atomic-write.ts).
 */

import { readdir } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { z } from "zod";
import { ofArgumentsAsync } from "../errors/arguments.js";
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

/** Options of {@link RunDirectory.open}. */
export interface RunDirectoryOptions {
  /** The whole config with every default filled in, as plain JSON. Secrets are redacted before it is written. */
  config: Record<string, unknown>;
  /** Paths of the files and folders that the run reads, by name: `{ model: "…", train: "…" }`. They are hashed. */
  inputs?: Record<string, string>;
  /** Seeds of the run, by name. */
  seeds?: Record<string, number>;
  /** Version of the native addon, when one is loaded. */
  addon?: string | undefined;
  /** The device, as the policy names it. */
  device?: string | undefined;
  /**
   * Whether a resumed run may have another value for this key: a dotted key of the config, or `inputs.NAME`. Default:
   * nothing may change.
   */
  mayChange?: (key: string) => boolean;
  /**
   * The resumed run's config with the keys in it that its version did not know yet, at the values that it meant. Default:
   * it is compared as it is.
   */
  complete?: (config: Record<string, unknown>) => Record<string, unknown>;
}

/**
 * The open directory of one run. It holds the folder's lock until it is closed.
 *
 * @example
 * await using run = await RunDirectory.open("runs/first", { config: { lr: 1e-6 } });
 * await using writer = await openTrajectoryWriter(run.paths.trajectories);
 */
export class RunDirectory implements AsyncDisposable {
  /** Absolute path of the folder. */
  readonly dir: string;
  /** Paths of everything in it. */
  readonly paths: RunPaths;
  /** The manifest, with the current session last. */
  readonly manifest: Manifest;
  /** Whether the folder already held this run. */
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
   * Begins a run in an empty or absent folder, or resumes the run that the folder holds.
   *
   * @throws SwirlError CONFIG when the folder holds something else, holds this run with another config or other inputs,
   * or is already open, in this process or another. INPUT when an input cannot be read.
   */
  static async open(path: string, options: RunDirectoryOptions): Promise<RunDirectory> {
    return await ofArgumentsAsync("RunDirectory.open", "(folder, { config, … })", async () => {
      const dir = resolve(path);
      const lock = await lockFolder(dir);
      try {
        const { manifest, resumed } = await begin(dir, options);
        return new RunDirectory(dir, manifest, resumed, lock);
      } catch (error) {
        await lock[Symbol.asyncDispose]();
        throw error;
      }
    });
  }

  /** Releases the folder's lock. */
  async close(): Promise<void> {
    await this.#lock[Symbol.asyncDispose]();
  }

  /** Same as {@link RunDirectory.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Writes config and manifest of a new run, or checks those of the existing run and adds a session. */
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
    // The config is written first, so a crash may leave it alone. The manifest makes the folder a run.
    const others = (await readdir(dir)).filter((name) => name !== basename(paths.config) && !isLock(name));
    if (others.length > 0) throw notEmpty(dir, others);
    await writeJson(paths.config, config);
  } else {
    await requireSame(paths, config, before, fresh, options);
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
  { mayChange = () => false, complete = (old) => old }: RunDirectoryOptions,
): Promise<void> {
  const old = await readJson(
    paths.config,
    z.record(z.string(), z.unknown()),
    "it was changed after it was written: use a new run directory",
  );
  const changed = changedKeys(complete(old ?? {}), config).filter((key) => !mayChange(key));
  if (changed.length > 0) {
    throw new SwirlError("CONFIG", `${paths.config} has other values for ${changed.join(", ")}`, {
      remedy: "stages that have begun keep their config: use another run directory for a different config",
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
    `${dir} is not a run directory and not empty: it holds ${names.slice(0, 3).join(", ")}`,
    {
      remedy: "name a folder that does not exist yet, or the folder of a run to resume",
      details: { file: dir },
    },
  );
}
