/**
 * manifest.json: what a run was made with, so that it can be made again. Versions of package, Node and addon, the
 * device, every input file with its SHA-256, the seeds; and one entry a session, since a run may be resumed elsewhere.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";

export const MANIFEST_VERSION = 1;

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
  /** The addon's version; null when the run needed none (endpoints only). */
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

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestSession = z.infer<typeof sessionSchema>;
export type ManifestInput = z.infer<typeof inputSchema>;

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
      .filter((entry) => entry.isFile())
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
