/**
 * manifest.json: everything needed to repeat a run. It holds the versions of the package, Node and the addon, the
 * device, the SHA-256 of every input, the seeds, and one entry per session, since a run may be resumed elsewhere.
 */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";

export const MANIFEST_VERSION = 1;

/** A file or folder that a run reads. */
export interface ManifestInput {
  /** Absolute path. */
  path: string;
  /** Size in bytes; of a folder, the sum over its files. */
  bytes: number;
  /** SHA-256 in hexadecimal digits; of a folder, over the names and hashes of its files. */
  sha256: string;
}

/** One process that worked on a run. A resumed run has several. */
export interface ManifestSession {
  /** When it started, as an ISO 8601 time. */
  startedAt: string;
  /** Version of swirl-rl. */
  package: string;
  /** Version of Node.js. */
  node: string;
  /** Operating system and architecture. */
  platform: string;
  /** Version of the native addon. Null when the run needed none (endpoints only). */
  addon: string | null;
  /** The device, as the policy names it. Null without the addon. */
  device: string | null;
}

/** Everything that a run was made with. */
export interface Manifest {
  /** Version of the manifest. */
  version: typeof MANIFEST_VERSION;
  /** Name of the run directory. */
  name: string;
  /** The seeds, by name. */
  seeds: Record<string, number>;
  /** The inputs, by name. */
  inputs: Record<string, ManifestInput>;
  /** The sessions, oldest first. */
  sessions: ManifestSession[];
}

const inputSchema = z.strictObject({
  path: z.string(),
  bytes: z.number(),
  sha256: z.string(),
});

const sessionSchema = z.strictObject({
  startedAt: z.string(),
  package: z.string(),
  node: z.string(),
  platform: z.string(),
  addon: z.string().nullable(),
  device: z.string().nullable(),
});

export const manifestSchema = z.strictObject({
  version: z.literal(MANIFEST_VERSION),
  name: z.string(),
  seeds: z.record(z.string(), z.int()),
  inputs: z.record(z.string(), inputSchema),
  sessions: z.array(sessionSchema).min(1),
});

/**
 * Hashes a file, or a folder as the list of its files (names sorted, each with its own hash; dot files left out).
 *
 * @throws SwirlError INPUT when it cannot be read.
 */
export async function hashInput(path: string): Promise<ManifestInput> {
  try {
    const info = await stat(path);
    if (!info.isDirectory()) return { path: resolve(path), bytes: info.size, sha256: await hashFile(path) };
    const names = (await readdir(path, { withFileTypes: true, recursive: true }))
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .filter((entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(path.length + (path.endsWith("/") ? 0 : 1)))
      .filter((name) => !name.split(/[\\/]/).some((part) => part.startsWith(".")))
      .sort();
    const hash = createHash("sha256");
    let bytes = 0;
    for (const name of names) {
      hash.update(`${await hashFile(join(path, name))}  ${name.replaceAll("\\", "/")}\n`);
      bytes += (await stat(join(path, name))).size;
    }
    return { path: resolve(path), bytes, sha256: hash.digest("hex") };
  } catch (cause) {
    throw new SwirlError("INPUT", `${path}: cannot be read (${(cause as Error).message})`, {
      remedy: "check the path and its permissions",
      details: { file: path },
      cause,
    });
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
