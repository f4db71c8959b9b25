/**
 * Checkpoints: complete or absent. `root` holds one folder per checkpoint and a symbolic link `latest` to the newest:
 *
 *   step-000020/   whatever `fill` wrote (weights in Hugging Face layout, optimizer state, state.json)
 *                  and manifest.json: the size and SHA-256 of every other file
 *
 * Order of a save: temp folder on the same file system → its files synced and hashed → manifest → rename → parent
 * synced → only then `latest` moves and older ones are removed. A crash at any point leaves the previous checkpoints
 * unchanged; the next save removes the temp folders that a crash left. One writer per root: training-run.ts holds its
 * lock.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, stat, symlink } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { z } from "zod";
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import {
  type FileOperations,
  nodeFileOperations,
  syncFolder,
  writeFileDurable,
} from "../files/atomic-write.js";
import { parseRecord } from "../files/jsonl-reader.js";
import { makeFolder } from "../files/make-folder.js";

const CHECKPOINT_VERSION = 1;
const MANIFEST = "manifest.json";
const TEMPORARY = ".part-";
const FOLDER = /^step-(\d{6,})$/;

const manifestSchema = z.strictObject({
  version: z.literal(CHECKPOINT_VERSION),
  step: z.int().min(0),
  files: z.array(
    z.strictObject({ path: z.string(), bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});

export interface Checkpoint {
  folder: string;
  /** Updates done when it was saved. */
  step: number;
}

export interface SaveOptions {
  root: string;
  step: number;
  /** Writes the files into the folder it is given. Relative sub-folders are fine. */
  fill: (folder: string) => Promise<void>;
  /** Checkpoints that are kept, the new one included. */
  keep: number;
  operations?: FileOperations;
}

export async function saveCheckpoint(options: SaveOptions): Promise<Checkpoint> {
  const { root, step, keep, operations = nodeFileOperations } = options;
  const name = `step-${String(step).padStart(6, "0")}`;
  const folder = join(root, name);
  const temporary = join(root, `${TEMPORARY}${name}`);
  await makeFolder(root);
  for (const left of await list(root))
    if (left.startsWith(TEMPORARY)) await operations.remove(join(root, left));

  await mkdir(temporary);
  await options.fill(temporary);
  const { paths, folders } = await walk(temporary);
  const entries: z.infer<typeof manifestSchema>["files"] = [];
  for (const path of paths) {
    await syncFile(join(temporary, path), operations);
    entries.push({ path: path.split(sep).join("/"), ...(await fingerprint(join(temporary, path))) });
  }
  const manifest = `${JSON.stringify({ version: CHECKPOINT_VERSION, step, files: entries }, null, 2)}\n`;
  await writeFileDurable(join(temporary, MANIFEST), manifest, operations);
  for (const inner of folders) await syncFolder(join(temporary, inner), operations);

  // A folder of this name is a checkpoint that did not verify: the new one replaces it.
  const replaced = join(root, `${TEMPORARY}old-${name}`);
  if ((await list(root)).includes(name)) await operations.rename(folder, replaced);
  await operations.rename(temporary, folder);
  await syncFolder(root, operations);

  const link = join(root, `${TEMPORARY}latest`);
  await symlink(name, link);
  await operations.rename(link, join(root, "latest"));
  await syncFolder(root, operations);

  const older = (await list(root)).filter((entry) => FOLDER.test(entry) && entry !== name).sort(byStep);
  for (const entry of older.slice(Math.max(0, keep - 1))) await operations.remove(join(root, entry));
  await operations.remove(replaced);
  return { folder, step };
}

export interface FindOptions {
  root: string;
  /** Receives each checkpoint that is skipped, and the reason. */
  onProblem?: (folder: string, problem: string) => void;
}

/**
 * The newest checkpoint that verifies; undefined when there is no checkpoint. Throws when there are some and none
 * verifies.
 */
export async function findCheckpoint(options: FindOptions): Promise<Checkpoint | undefined> {
  const { root } = options;
  const names = (await list(root)).filter((entry) => FOLDER.test(entry)).sort(byStep);
  const problems: string[] = [];
  for (const name of names) {
    const folder = join(root, name);
    try {
      return await verifyCheckpoint(folder);
    } catch (error) {
      const problem = messageOf(error);
      problems.push(`${name}: ${problem}`);
      options.onProblem?.(folder, problem);
    }
  }
  if (problems.length === 0) return undefined;
  throw new SwirlError("CHECKPOINT", `no checkpoint in ${root} is intact:\n  ${problems.join("\n  ")}`, {
    remedy: "restore one from a backup, or remove the folder to start this stage again",
    details: { file: root, problems },
  });
}

/** Throws CHECKPOINT, naming the file, unless every file is there with the size and hash its manifest says. */
export async function verifyCheckpoint(folder: string): Promise<Checkpoint> {
  const file = join(folder, MANIFEST);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new SwirlError("CHECKPOINT", `${file} cannot be read: ${(error as Error).message}`, {
      details: { file },
      cause: error,
    });
  }
  const manifest = parseRecord(value, manifestSchema, {
    what: "checkpoint manifest",
    version: CHECKPOINT_VERSION,
    file,
    line: 1,
  });
  for (const entry of manifest.files) {
    const path = join(folder, entry.path);
    if (relative(folder, path).startsWith(".."))
      throw new SwirlError("CHECKPOINT", `${file} names "${entry.path}", which is outside the checkpoint`, {
        details: { file },
      });
    const found = await fingerprint(path, entry.bytes).catch((error: Error) => error);
    if (found instanceof Error)
      throw new SwirlError("CHECKPOINT", `${path}: ${found.message}`, { details: { file: path } });
    if (found.sha256 !== entry.sha256)
      throw new SwirlError("CHECKPOINT", `${path}: its SHA-256 is not the one in the manifest`, {
        details: { file: path },
      });
  }
  return { folder, step: manifest.step };
}

/** Names in a folder; none when it is not there. */
async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function syncFile(path: string, operations: FileOperations): Promise<void> {
  const file = await operations.open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function byStep(a: string, b: string): number {
  return Number(FOLDER.exec(b)![1]) - Number(FOLDER.exec(a)![1]);
}

/** All files below a folder, and all folders (innermost first, the folder itself last), relative to it, sorted. */
async function walk(root: string): Promise<{ paths: string[]; folders: string[] }> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const inner = (entry: (typeof entries)[number]) => relative(root, join(entry.parentPath, entry.name));
  return {
    paths: entries
      .filter((entry) => entry.isFile())
      .map(inner)
      .sort(),
    folders: [
      ...entries
        .filter((entry) => entry.isDirectory())
        .map(inner)
        .sort()
        .reverse(),
      "",
    ],
  };
}

/** Size and SHA-256 of a file; a wrong size is rejected before anything is hashed. */
async function fingerprint(path: string, expected?: number): Promise<{ bytes: number; sha256: string }> {
  const { size } = await stat(path);
  if (expected !== undefined && size !== expected)
    throw new Error(`it has ${size} bytes, its manifest says ${expected}`);
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return { bytes: size, sha256: hash.digest("hex") };
}
