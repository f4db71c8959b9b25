/**
 * The safetensors files of a model folder: one `model.safetensors`, or shards named by
 * `model.safetensors.index.json`. Headers are read and checked when the folder is opened; bytes are read on demand.
 *
 * The index decides, as in transformers: a tensor that the index does not assign to the shard it is in is not part of
 * the checkpoint. A name in the index that is not in its shard is an error only if the model needs it.
 *
 * No path outside the folder is opened, whatever the index says; symbolic links inside it are followed only where
 * they lead to a regular file, as the hub's cache lays them out.
 */
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { parseJsonText } from "../../files/json-file.js";
import { checkpointError, shown } from "./checkpoint-error.js";
import { headerLength, parseHeader, type TensorEntry } from "./safetensors.js";
import { elements, joined, PART_BYTES } from "./tensor-parts.js";

export const SINGLE = "model.safetensors";
export const INDEX = "model.safetensors.index.json";
const INDEX_LIMIT = 64 << 20; // bytes

export interface WeightFile {
  name: string; // within the folder
  path: string;
  /** Those that are part of the checkpoint, in file order. */
  tensors: TensorEntry[];
  metadata: Record<string, string>;
}

export interface WeightFiles {
  files: WeightFile[];
  sharded: boolean;
  /** Every tensor by its name in the checkpoint. */
  tensors: Map<string, { entry: TensorEntry; file: WeightFile }>;
}

export async function openWeightFiles(folder: string): Promise<WeightFiles> {
  const single = join(folder, SINGLE);
  if (await isFile(single)) return collect([await openWeightFile(single)], false);
  const indexPath = join(folder, INDEX);
  if (!(await isFile(indexPath))) {
    throw checkpointError(
      folder,
      `has neither ${SINGLE} nor ${INDEX}`,
      "point at a folder with safetensors weights (convert .bin checkpoints with transformers' save_pretrained)",
    );
  }
  const weightMap = await readIndex(indexPath);
  const files: WeightFile[] = [];
  for (const name of [...new Set(Object.values(weightMap))].sort()) {
    const path = join(folder, name);
    if (!(await isFile(path))) {
      throw checkpointError(
        path,
        `is missing, but ${INDEX} puts tensors in it`,
        "download the missing shard, or every file of the checkpoint again",
        { index: indexPath },
      );
    }
    files.push(await openWeightFile(path));
  }
  return collect(
    files.map((file) => indexed(file, weightMap)),
    true,
  );
}

/** The file with only those of its tensors that the index assigns to it. */
function indexed(file: WeightFile, weightMap: Readonly<Record<string, string>>): WeightFile {
  const given = (name: string) => Object.hasOwn(weightMap, name) && weightMap[name] === file.name;
  return { ...file, tensors: file.tensors.filter(({ name }) => given(name)) };
}

/** The bytes of one tensor, as stored. */
export function readTensorBytes(file: WeightFile, entry: TensorEntry): Promise<Uint8Array> {
  return joined(entry.bytes, tensorParts(file, entry));
}

/** `count` elements of a tensor from `first` on, as stored. */
export async function readElements(
  file: WeightFile,
  entry: TensorEntry,
  first: number,
  count: number,
): Promise<Uint8Array> {
  const size = entry.bytes / tensorElements(entry);
  const handle = await open(file.path, "r");
  try {
    const bytes = new Uint8Array(count * size);
    await readFully(handle, bytes, entry.offset + first * size, file.path);
    return bytes;
  } finally {
    await handle.close();
  }
}

function tensorElements({ shape }: TensorEntry): number {
  return Math.max(1, elements(shape));
}

/** A tensor's bytes in parts, in order; each is a buffer of its own. */
export async function* tensorParts(
  file: WeightFile,
  entry: TensorEntry,
): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await open(file.path, "r");
  try {
    for (let done = 0; done < entry.bytes; done += PART_BYTES) {
      const part = new Uint8Array(Math.min(PART_BYTES, entry.bytes - done));
      await readFully(handle, part, entry.offset + done, file.path);
      yield part;
    }
  } finally {
    await handle.close();
  }
}

/** One file, its header read and checked. */
export async function openWeightFile(path: string): Promise<WeightFile> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const prefix = new Uint8Array(Math.min(8, size));
    await readFully(handle, prefix, 0, path);
    const header = new Uint8Array(headerLength(prefix, size, path));
    await readFully(handle, header, 8, path);
    return { name: basename(path), path, ...parseHeader(header, size, path) };
  } finally {
    await handle.close();
  }
}

async function readFully(
  handle: FileHandle,
  into: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) {
      throw checkpointError(
        path,
        `ended at byte ${position + done} while ${into.length - done} more were expected`,
        "the file changed while it was read, or the disk is failing: try again",
      );
    }
    done += bytesRead;
  }
}

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

async function readIndex(path: string): Promise<Record<string, string>> {
  const { size } = await stat(path);
  const remedy = "download the index again";
  if (size > INDEX_LIMIT) {
    throw checkpointError(path, `has ${size} bytes, more than the limit of ${INDEX_LIMIT}`, remedy);
  }
  let json: unknown;
  try {
    json = parseJsonText(await readFile(path, "utf8"));
  } catch (cause) {
    throw checkpointError(path, `is not JSON: ${(cause as Error).message}`, remedy, {}, cause);
  }
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join(".") ?? "";
    throw checkpointError(path, `${field || "its content"}: ${issue?.message}`, remedy, { field });
  }
  for (const [tensor, shard] of Object.entries(parsed.data.weight_map)) {
    if (!isPlainFileName(shard)) {
      throw checkpointError(
        path,
        `puts tensor ${shown(tensor)} in ${shown(shard)}, which is not a .safetensors file of this folder`,
        "do not use this checkpoint unless you trust it; shards must lie next to their index",
        { tensor, field: `weight_map.${tensor}`, value: shard },
      );
    }
  }
  return parsed.data.weight_map;
}

function isPlainFileName(name: string): boolean {
  return /^[^/\\\0:]+\.safetensors$/.test(name) && !name.startsWith(".") && name.length <= 255;
}

function collect(files: WeightFile[], sharded: boolean): WeightFiles {
  const tensors: WeightFiles["tensors"] = new Map();
  for (const file of files) for (const entry of file.tensors) tensors.set(entry.name, { entry, file });
  return { files, sharded, tensors };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
