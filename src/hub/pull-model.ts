/**
 * Downloads the files of a model that are needed here into the Hugging Face cache, where transformers finds them too.
 * The reference to the commit is written last: a pull that was stopped leaves no revision that looks complete, and the
 * next one resumes it.
 */
import { mkdir, readlink, rename, rm, stat, statfs, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { inspect } from "node:util";
import { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { makeFolder } from "../files/make-folder.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { downloadBlob } from "./download-blob.js";
import { COMMIT, cachedSnapshot, cacheRoot, isHubName, isOffline, repositoryFolder } from "./hub-cache.js";
import { HubClient, type HubFile } from "./hub-client.js";

/** Progress of {@link pullModel}. */
export interface PullProgress {
  /** The file that is being downloaded. */
  file: string;
  /** Bytes downloaded so far, over all files. */
  done: number;
  /** Total bytes of all files. */
  total: number;
}

/** Options of {@link pullModel}. */
export interface PullOptions {
  /** Branch, tag or commit. @default "main" */
  revision?: string | undefined;
  /** Folder of the cache; HF_HUB_CACHE, else `hub` in HF_HOME unless given. */
  cache?: string | undefined;
  /** URL of the hub; HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string | undefined;
  /** HF_TOKEN, else the token that `hf auth login` stored. */
  token?: string | undefined;
  /** Called as bytes arrive, at most ten times per second. */
  onProgress?: ((progress: PullProgress) => unknown) | undefined;
  /** Ends the call with code ABORTED; what has arrived is kept. */
  signal?: AbortSignal | undefined;
}

export const pullSchema = z.strictObject({
  revision: z
    .string()
    .regex(/^[\w./-]{1,200}$/)
    .refine(
      (name) => !name.split("/").some((part) => part === "" || /^\.+$/.test(part)),
      "must be a branch, a tag or a commit",
    )
    .default("main"),
  cache: z.string().min(1).optional(),
  endpoint: z.string().min(1).optional(),
  token: z.string().min(1).optional(),
  onProgress: callback<PullProgress>("onProgress").optional(),
  signal: signalSchema.optional(),
});

const NEEDED = new Set([
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "model.safetensors",
  "model.safetensors.index.json",
]);
const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/;

/**
 * Downloads a model of the Hugging Face hub into the cache and returns its folder, for `Policy.load`.
 *
 * With HF_HUB_OFFLINE only the cache is used.
 *
 * @param name `org/name`.
 * @throws SwirlError INPUT for an invalid name; ENDPOINT if the hub refuses or cannot be reached; CHECKPOINT for a
 * model without safetensors, and offline for one that the cache does not have; ABORTED.
 * @example
 * const folder = await pullModel("HuggingFaceTB/SmolLM2-135M-Instruct");
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<string> {
  const {
    revision,
    cache = cacheRoot(),
    endpoint,
    token,
    onProgress,
    signal,
  } = ofArguments("pullModel", "(name, options)", () => parseOptions(pullSchema, options, "pullModel"));
  if (typeof name !== "string" || !isHubName(name))
    throw new SwirlError("INPUT", `${inspect(name)} is not a name of a model on the hub`, {
      remedy: "write org/name, such as HuggingFaceTB/SmolLM2-135M-Instruct",
      details: { field: "name" },
    });
  if (isOffline()) {
    const cached = await cachedSnapshot(name, revision, cache);
    if (cached !== undefined) return cached;
    throw new SwirlError(
      "CHECKPOINT",
      `${name}, revision ${revision}, is not complete in the cache ${cache}`,
      {
        remedy: "HF_HUB_OFFLINE is set: unset it to download the model",
        details: { file: repositoryFolder(name, cache) },
      },
    );
  }
  const client = await HubClient.open({ endpoint, token, signal });
  const { commit, files } = await client.model(name, revision);
  const needed = neededFiles(name, files);
  const folder = repositoryFolder(name, cache);
  const snapshot = join(folder, "snapshots", commit);
  for (const inner of ["blobs", "refs"]) await makeFolder(join(folder, inner));
  await makeFolder(snapshot);

  const total = needed.reduce((sum, { bytes }) => sum + bytes, 0);
  await requireSpace(folder, total, needed);
  let finished = 0;
  let told = 0;
  for (const file of needed) {
    const tell = (bytes: number) => {
      if (performance.now() - told < 100 && bytes < file.bytes) return;
      told = performance.now();
      onProgress?.({ file: file.path, done: finished + bytes, total });
    };
    const url = client.fileUrl(name, commit, file.path);
    const blob = await downloadBlob({
      client,
      url,
      file,
      folder: join(folder, "blobs"),
      signal,
      onBytes: tell,
    });
    await link(blob, join(snapshot, file.path));
    finished += file.bytes;
  }
  if (!COMMIT.test(revision)) await writeRef(join(folder, "refs", revision), commit);
  return snapshot;
}

/** Config, tokenizer, template and safetensors of the top folder: sharded ones if there is an index. */
function neededFiles(name: string, files: readonly HubFile[]): HubFile[] {
  const sharded = files.some(({ path }) => path === "model.safetensors.index.json");
  const needed = files.filter(({ path }) =>
    SHARD.test(path) ? sharded : NEEDED.has(path) && !(sharded && path === "model.safetensors"),
  );
  const has = (path: string) => needed.some((file) => file.path === path);
  const weights = has("model.safetensors") || (sharded && needed.some(({ path }) => SHARD.test(path)));
  if (has("config.json") && weights) return needed;
  throw new SwirlError(
    "CHECKPOINT",
    `${name} has no ${has("config.json") ? "safetensors weights" : "config.json"} on the hub`,
    {
      remedy: "use a repository in transformers format; GGUF and PyTorch .bin files are not read",
      details: { file: name },
    },
  );
}

async function requireSpace(folder: string, total: number, files: readonly HubFile[]): Promise<void> {
  const space = await statfs(folder).catch(() => undefined);
  if (!space) return;
  const free = space.bavail * space.bsize;
  // Most files may be there already: only a disk that cannot hold the largest one is certain to fail.
  const largest = Math.max(...files.map(({ bytes }) => bytes));
  if (free >= Math.min(total, largest) || (await cachedBytes(folder, files)) >= total) return;
  throw new SwirlError(
    "INPUT",
    `${folder}: ${gigabytes(free)} are free, and the model has ${gigabytes(total)}`,
    {
      remedy: "free space, or set HF_HUB_CACHE to a folder on another disk",
      details: { file: folder, free, bytes: total },
    },
  );
}

async function cachedBytes(folder: string, files: readonly HubFile[]): Promise<number> {
  const sizes = await Promise.all(
    files.map(({ etag }) =>
      stat(join(folder, "blobs", etag)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toPrecision(3)} GB`;

/** A relative link, as huggingface_hub makes it; it replaces one that points elsewhere. */
async function link(blob: string, path: string): Promise<void> {
  const target = relative(dirname(path), blob);
  if ((await readlink(path).catch(() => undefined)) === target) return;
  await rm(path, { force: true });
  await symlink(target, path);
}

async function writeRef(file: string, commit: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.part`;
  await writeFile(temporary, commit);
  await rename(temporary, file);
}
