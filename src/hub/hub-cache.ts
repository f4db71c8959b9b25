/**
 * The Hugging Face cache, as huggingface_hub lays it out and transformers reads it:
 *
 *   models--ORG--NAME/blobs/ETAG                 the bytes; ETAG is the SHA-256 of a large file, git's SHA-1 of a small one
 *   models--ORG--NAME/snapshots/COMMIT/PATH      a link to its blob
 *   models--ORG--NAME/refs/REVISION              the commit that a branch or tag was at
 */
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** "org/name" of the hub: also what a relative path of two parts looks like. */
const NAME = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;
export const COMMIT = /^[0-9a-f]{40}$/;

export function isHubName(text: string): boolean {
  return NAME.test(text) && !/\.\.|--|\.git$/.test(text);
}

export function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
}

export function cacheRoot(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(hubHome(), "hub");
}

export function repositoryFolder(name: string, root = cacheRoot()): string {
  return join(root, `models--${name.replace("/", "--")}`);
}

/** Whether downloads are switched off. */
export function isOffline(): boolean {
  const { HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE } = process.env;
  return [HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE].some((value) => /^(1|true|yes|on)$/i.test(value ?? ""));
}

/** The snapshot of a revision if the cache has all of its weights; uses no network. */
export async function cachedSnapshot(
  name: string,
  revision = "main",
  root = cacheRoot(),
): Promise<string | undefined> {
  const folder = repositoryFolder(name, root);
  const named = COMMIT.test(revision) ? revision : await textOf(join(folder, "refs", revision));
  const commit = named?.trim() ?? "";
  if (!COMMIT.test(commit)) return undefined;
  const snapshot = join(folder, "snapshots", commit);
  return (await isWhole(snapshot)) ? snapshot : undefined;
}

async function isWhole(snapshot: string): Promise<boolean> {
  const has = (name: string) =>
    stat(join(snapshot, name)).then(
      () => true,
      () => false,
    );
  if (!(await has("config.json"))) return false;
  const index = await textOf(join(snapshot, "model.safetensors.index.json"));
  if (index === undefined) return await has("model.safetensors");
  const shards = shardsOf(index);
  return shards.length > 0 && (await Promise.all(shards.map(has))).every(Boolean);
}

/** Names of the weight files in an index; none if it cannot be read. */
function shardsOf(index: string): string[] {
  try {
    const { weight_map } = JSON.parse(index) as { weight_map?: Record<string, unknown> };
    return [...new Set(Object.values(weight_map ?? {}))].filter((name) => typeof name === "string");
  } catch {
    return [];
  }
}

function textOf(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined);
}
