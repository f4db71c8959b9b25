/**
 * A BM25 index on disk: a folder with index.json, which names the other two files with their sizes and SHA-256.
 *
 *   passages-….jsonl    one passage per line, in the order of their ids
 *   postings-….bin      little-endian uint32: offsets [terms + 1], passages [postings], counts [postings],
 *                       lengths [passages]; then the terms as UTF-8, each ended by a line feed
 *
 * Saving is atomic: index.json is replaced last, then the files of the old index are removed. Loading checks everything
 * it reads and refuses a name that leads out of the folder: an index may come from anywhere.
 */

import { createHash } from "node:crypto";
import { lstat, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Passage } from "../../data/passage.js";
import { ofArgumentsAsync } from "../../errors/arguments.js";
import { SwirlError } from "../../errors/swirl-error.js";
import { syncFolder, writeFileAtomic, writeFileDurable } from "../../files/atomic-write.js";
import { makeFolder } from "../../files/make-folder.js";
import { Bm25Index, type Postings } from "./bm25-index.js";

export const INDEX_VERSION = 2;
/** Split texts into terms in another way (words.ts); only its passages can be used. */
const OLD_VERSION = 1;
const MANIFEST = "index.json";
const MAX_BYTES = 2 ** 31;
const MAX_COUNT = 2 ** 28;

const count = z.int().min(0).max(MAX_COUNT);
const file = z.strictObject({
  file: z
    .string()
    .regex(/^(passages|postings)-[0-9a-f]{16}\.(jsonl|bin)$/, "must name a file of this folder"),
  bytes: z.int().min(0).max(MAX_BYTES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const manifestSchema = z.strictObject({
  format: z.literal("swirl-bm25"),
  version: z.literal([OLD_VERSION, INDEX_VERSION]),
  k1: z.number(),
  b: z.number(),
  counts: z.strictObject({ passages: count, terms: count, postings: count }),
  passages: file,
  postings: file,
});

/**
 * Writes an index into a folder. The folder is created if needed; an index in it is replaced at once, so that a reader
 * finds the old one or the new one.
 *
 * @throws SwirlError CONFIG or RECORD when the folder cannot be written.
 * @example
 * await saveIndex(await Bm25Index.build(readPassages("wiki.jsonl")), "wiki-index");
 * const index = await loadIndex("wiki-index");
 */
export async function saveIndex(index: Bm25Index, folder: string): Promise<void> {
  return await ofArgumentsAsync("saveIndex", "(index, folder)", async () => {
    await makeFolder(folder);
    const passages = Buffer.from(
      index.passages.map((one) => `${JSON.stringify([one.title, one.text])}\n`).join(""),
    );
    const postings = encodePostings(index.postings);
    const manifest: z.infer<typeof manifestSchema> = {
      format: "swirl-bm25",
      version: INDEX_VERSION,
      k1: index.k1,
      b: index.b,
      counts: {
        passages: index.passages.length,
        terms: index.postings.terms.length,
        postings: index.postings.passages.length,
      },
      passages: describe("passages", "jsonl", passages),
      postings: describe("postings", "bin", postings),
    };
    await writeFileDurable(join(folder, manifest.passages.file), passages);
    await writeFileDurable(join(folder, manifest.postings.file), postings);
    await syncFolder(folder);
    await writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    const current = new Set([manifest.passages.file, manifest.postings.file]);
    for (const name of await readdir(folder)) {
      const ours = /^(passages|postings)-[0-9a-f]{16}\.(jsonl|bin)$/.test(name);
      if (ours && !current.has(name)) await rm(join(folder, name), { force: true });
    }
  });
}

/**
 * Opens a saved index. An index of version 1 is built again from its passages, which takes as long as
 * `Bm25Index.build`; save it again to keep the result.
 *
 * @throws SwirlError RECORD naming file and field when a part of the index is missing, unknown or damaged.
 */
export async function loadIndex(folder: string): Promise<Bm25Index> {
  return await ofArgumentsAsync("loadIndex", "a folder", async () => {
    const path = join(folder, MANIFEST);
    const manifest = parseManifest(await readBounded(path, 1 << 16), path);
    const { counts } = manifest;
    const passages = decodePassages(
      await readListed(folder, manifest.passages, "passages"),
      counts.passages,
      folder,
    );
    const options = { k1: manifest.k1, b: manifest.b };
    if (manifest.version === OLD_VERSION) return Bm25Index.build(passages, options);
    const postings = decodePostings(await readListed(folder, manifest.postings, "postings"), counts, folder);
    return new Bm25Index(passages, postings, options);
  });
}

function describe(kind: "passages" | "postings", extension: string, data: Buffer) {
  const sha256 = createHash("sha256").update(data).digest("hex");
  return { file: `${kind}-${sha256.slice(0, 16)}.${extension}`, bytes: data.length, sha256 };
}

function parseManifest(data: Buffer, path: string): z.infer<typeof manifestSchema> {
  let value: unknown;
  try {
    value = JSON.parse(data.toString("utf8"));
  } catch (cause) {
    throw damaged(path, "(whole file)", `is not JSON: ${(cause as Error).message}`);
  }
  const version = (value as { version?: unknown } | null)?.version;
  if (version !== undefined && version !== INDEX_VERSION && version !== OLD_VERSION) {
    throw new SwirlError(
      "RECORD",
      `${path}: an index of version ${JSON.stringify(version)}, this package reads ${INDEX_VERSION}`,
      {
        remedy: "build the index again from its passages",
        details: { file: path, field: "version" },
      },
    );
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw damaged(path, issue.path.join("."), issue.message);
}

async function readListed(folder: string, listed: z.infer<typeof file>, field: string): Promise<Buffer> {
  const path = join(folder, listed.file);
  const data = await readBounded(path, listed.bytes);
  if (data.length !== listed.bytes)
    throw damaged(path, field, `has ${data.length} bytes, not ${listed.bytes}`);
  const sha256 = createHash("sha256").update(data).digest("hex");
  if (sha256 !== listed.sha256)
    throw damaged(path, field, "does not have the checksum that index.json gives");
  return data;
}

/** Reads a regular file of at most `limit` bytes; a link could lead out of the folder. */
async function readBounded(path: string, limit: number): Promise<Buffer> {
  try {
    const stats = await lstat(path);
    if (!stats.isFile()) throw damaged(path, "file", "is not a regular file");
    if (stats.size > limit) throw damaged(path, "file", `has ${stats.size} bytes, more than ${limit}`);
    return await readFile(path);
  } catch (cause) {
    if (SwirlError.isInstance(cause)) throw cause;
    throw new SwirlError("RECORD", `${path} cannot be read: ${(cause as Error).message}`, {
      remedy: "point to a folder that saveIndex has written",
      details: { file: path },
      cause,
    });
  }
}

function decodePassages(data: Buffer, expected: number, folder: string): Passage[] {
  const passages: Passage[] = [];
  let from = 0;
  for (let to = data.indexOf(10); to >= 0; to = data.indexOf(10, from)) {
    const line = passages.length + 1;
    let value: unknown;
    try {
      value = JSON.parse(data.toString("utf8", from, to));
    } catch {
      throw damaged(folder, `passages line ${line}`, "is not JSON");
    }
    const [title, text] = Array.isArray(value) ? value : [];
    if (typeof title !== "string" || typeof text !== "string") {
      throw damaged(folder, `passages line ${line}`, "must be [title, text]");
    }
    passages.push({ title, text });
    from = to + 1;
  }
  if (passages.length !== expected || from !== data.length) {
    throw damaged(folder, "counts.passages", `is ${expected}, there are ${passages.length}`);
  }
  return passages;
}

function encodePostings({ terms, offsets, passages, counts, lengths }: Postings): Buffer {
  const numbers = [offsets, passages, counts, lengths].map((array) => {
    const part = Buffer.alloc(array.length * 4);
    for (const [at, value] of array.entries()) part.writeUInt32LE(value, at * 4);
    return part;
  });
  return Buffer.concat([...numbers, Buffer.from(terms.map((term) => `${term}\n`).join(""))]);
}

function decodePostings(
  data: Buffer,
  sizes: { passages: number; terms: number; postings: number },
  folder: string,
): Postings {
  const bad = (what: string) => damaged(folder, "postings", what);
  const total = 4 * (sizes.terms + 1 + 2 * sizes.postings + sizes.passages);
  if (data.length < total) throw bad(`has ${data.length} bytes, its counts need ${total}`);
  let at = 0;
  const take = (length: number) => {
    const array = new Uint32Array(length);
    for (let i = 0; i < length; i++) array[i] = data.readUInt32LE(at + 4 * i);
    at += 4 * length;
    return array;
  };
  const offsets = take(sizes.terms + 1);
  const passages = take(sizes.postings);
  const counts = take(sizes.postings);
  const lengths = take(sizes.passages);
  const terms = data.toString("utf8", at).split("\n");
  if (terms.pop() !== "" || terms.length !== sizes.terms)
    throw bad(`has ${terms.length} terms, not ${sizes.terms}`);
  if (offsets[0] !== 0 || offsets[sizes.terms] !== sizes.postings)
    throw bad("has offsets that do not cover it");
  for (let term = 0; term < sizes.terms; term++) {
    if (offsets[term]! >= offsets[term + 1]!) throw bad(`has offsets that do not rise at term ${term}`);
    if (term > 0 && !(terms[term - 1]! < terms[term]!)) throw bad(`has terms out of order at term ${term}`);
    for (let i = offsets[term]!; i < offsets[term + 1]!; i++) {
      if (passages[i]! >= sizes.passages) throw bad(`names passage ${passages[i]} of ${sizes.passages}`);
      if (i > offsets[term]! && passages[i - 1]! >= passages[i]!)
        throw bad(`has passages out of order at term ${term}`);
      if (counts[i]! === 0 || counts[i]! > lengths[passages[i]!]!) throw bad(`has a count of ${counts[i]}`);
    }
  }
  return { terms, offsets, passages, counts, lengths };
}

function damaged(path: string, field: string, what: string): SwirlError {
  return new SwirlError("RECORD", `${path}: ${field} ${what}`, {
    remedy: "build the index again from its passages",
    details: { file: path, field },
  });
}
