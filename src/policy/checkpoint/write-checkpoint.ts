/**
 * Writes a model folder that transformers loads. Everything is first written and fsynced in a temporary folder
 * next to the target, then renamed into place, and the folder is fsynced:
 * - a target that did not exist appears whole or not at all
 * - a target that existed keeps loading its old weights until the last rename; if a sharded one is interrupted in
 *   between, it fails to load because its index is missing; it is never a mixture
 * A failure removes the temporary folder; one before the first rename (a full disk, say) leaves the target as it was.
 */
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SwirlError } from "../../errors/swirl-error.js";
import { makeFolder } from "../../files/make-folder.js";
import { type ElementType, encodeHeader, tensorBytes } from "./safetensors.js";
import { INDEX, SINGLE } from "./weight-files.js";

export interface TensorToWrite {
  name: string;
  dtype: ElementType;
  shape: readonly number[];
  parts(): AsyncIterable<Uint8Array>; // its bytes in order: little-endian, row-major
}

export interface FolderToWrite {
  /** One file, or shards with an index. Files are named as given; a single one is `model.safetensors` (or `single`). */
  files: { name: string; tensors: TensorToWrite[]; metadata: Record<string, string> }[];
  sharded: boolean;
  /** For a folder that is not a model: the name of its weights, and of the file without which they cannot be loaded. */
  instead?: { single: string; last: string };
  /** A file that marks a folder as something else; a target that has it is rejected. */
  foreign?: { file: string; means: string };
  /** Small files by name, possibly in a subfolder ("a/b.txt"): text, or the path of a file to copy. */
  otherFiles: Record<string, { text: string } | { copyOf: string }>;
}

export async function writeCheckpointFolder(target: string, content: FolderToWrite): Promise<void> {
  const folder = resolve(target);
  const stage = join(
    dirname(folder),
    `.${basename(folder)}.saving-${process.pid}-${randomBytes(4).toString("hex")}`,
  );
  try {
    await refuseForeign(folder, content);
    await makeFolder(dirname(folder));
    await mkdir(stage);
    await writeStage(stage, content);
    await moveIntoPlace(stage, folder, content);
  } catch (cause) {
    if (SwirlError.isInstance(cause)) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    throw new SwirlError("CHECKPOINT", `${folder}: cannot be written (${(cause as Error).message})`, {
      remedy: code === "ENOSPC" ? "free some space and save again" : "choose a folder that can be written",
      details: { file: folder, errno: code },
      cause,
    });
  } finally {
    // The first error matters more than a temporary folder that cannot be removed.
    await rm(stage, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Two kinds of weights in one folder would be read as one of them. */
async function refuseForeign(folder: string, { foreign }: FolderToWrite): Promise<void> {
  if (!foreign || !(await stat(join(folder, foreign.file)).catch(() => undefined))) return;
  throw new SwirlError("CHECKPOINT", `${folder}: it holds ${foreign.file}, so it is ${foreign.means}`, {
    remedy: "choose another folder",
    details: { file: join(folder, foreign.file) },
  });
}

async function writeStage(
  stage: string,
  { files, sharded, otherFiles, instead }: FolderToWrite,
): Promise<void> {
  const weightMap: Record<string, string> = {};
  let totalBytes = 0;
  for (const file of files) {
    const name = sharded ? file.name : (instead?.single ?? SINGLE);
    totalBytes += await writeSafetensors(join(stage, name), file.tensors, file.metadata);
    for (const tensor of file.tensors) weightMap[tensor.name] = name;
  }
  if (sharded) {
    const sorted = Object.fromEntries(Object.entries(weightMap).sort(([a], [b]) => (a < b ? -1 : 1)));
    const index = { metadata: { total_size: totalBytes }, weight_map: sorted };
    await writeSynced(join(stage, INDEX), `${JSON.stringify(index, null, 2)}\n`);
  }
  for (const [name, source] of Object.entries(otherFiles)) {
    const path = join(stage, name);
    await mkdir(dirname(path), { recursive: true });
    if ("text" in source) {
      await writeSynced(path, source.text);
    } else {
      await copyFile(source.copyOf, path);
      await syncPath(path);
    }
  }
  await syncPath(stage);
}

/** Returns the number of bytes of data. */
export async function writeSafetensors(
  path: string,
  tensors: TensorToWrite[],
  metadata: Record<string, string>,
): Promise<number> {
  const handle = await open(path, "wx");
  let total = 0;
  try {
    await writeFully(handle, encodeHeader(tensors, metadata));
    for (const { name, dtype, shape, parts } of tensors) {
      let bytes = 0;
      for await (const part of parts()) {
        await writeFully(handle, part);
        bytes += part.length;
      }
      const expected = tensorBytes(dtype, shape);
      if (bytes !== expected) {
        throw new SwirlError("INTERNAL", `${name} gave ${bytes} bytes where ${expected} were expected`, {
          details: { tensor: name, file: path },
        });
      }
      total += expected;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return total;
}

async function moveIntoPlace(
  stage: string,
  folder: string,
  { files, sharded, instead }: FolderToWrite,
): Promise<void> {
  const parent = dirname(folder);
  const existing = await stat(folder).catch(() => undefined);
  if (!existing) {
    await rename(stage, folder);
    return syncPath(parent);
  }
  const last = instead?.last ?? (sharded ? INDEX : SINGLE);
  // Without its index a half-replaced set of shards cannot be loaded by mistake.
  if (instead) await rm(join(folder, last), { force: true });
  await rm(join(folder, INDEX), { force: true });
  if (sharded) await rm(join(folder, SINGLE), { force: true });
  await syncPath(folder);
  for (const name of await readdir(stage)) {
    if (name === last) continue;
    const target = join(folder, name);
    // A folder cannot be renamed over one that holds files.
    if ((await stat(join(stage, name))).isDirectory()) await rm(target, { recursive: true, force: true });
    await rename(join(stage, name), target);
  }
  await syncPath(folder);
  await rename(join(stage, last), join(folder, last));
  const kept = new Set(sharded ? files.map(({ name }) => name) : []);
  for (const name of await readdir(folder)) {
    if (/^model-\d+-of-\d+\.safetensors$/.test(name) && !kept.has(name)) await rm(join(folder, name));
  }
  await syncPath(folder);
}

async function writeSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeFully(handle: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done); // may write fewer bytes
    done += bytesWritten;
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
