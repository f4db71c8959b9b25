/**
 * Resolves what a user gives as a model: the folder itself, the one snapshot in a folder of the Hugging Face cache, or
 * the complete snapshot that the cache has for a name on the hub ("org/name"). The error for anything else says how to
 * get one.
 */

import { readdir, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { requirePath } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { cachedSnapshot, isHubName, repositoryFolder } from "../hub/hub-cache.js";
import { pullModel } from "../hub/pull-model.js";

/** Of an adapter's folder, which counts as a model's here. */
const ADAPTER_CONFIG = "adapter_config.json";

/** @throws SwirlError CHECKPOINT if there is no such model folder. */
export async function modelFolder(given: string): Promise<string> {
  requirePath("a model", given);
  const path = resolve(expandHome(given));
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    const cached = isHubName(given) ? await cachedSnapshot(given) : undefined;
    if (cached !== undefined) return cached;
    throw await noFolder(given, path);
  }
  if (!found.isDirectory())
    throw refusal(
      given,
      "is a file, not a folder",
      /\.gguf$/i.test(path) ? GGUF : `give its folder, ${dirname(path)}`,
    );
  const names = new Set(await readdir(path));
  if (names.has("config.json")) return path;
  if (names.has("snapshots")) return await snapshotOf(given, path);
  if (basename(path) === "snapshots") return await snapshotOf(given, dirname(path));
  return path; // its reader reports what is missing
}

/** The same, but a name of the hub that is neither a folder nor in the cache is downloaded first. */
export async function pulledModelFolder(given: string, signal: AbortSignal | undefined): Promise<string> {
  const isName = typeof given === "string" && isHubName(given);
  if (!isName || (await stat(resolve(given)).catch(() => undefined)) || (await cachedSnapshot(given)))
    return await modelFolder(given);
  try {
    return await pullModel(given, signal ? { signal } : {});
  } catch (cause) {
    if (!SwirlError.isInstance(cause) || cause.code === "ABORTED") throw cause;
    throw new SwirlError(
      "CHECKPOINT",
      `the model ${given} is not a folder, and was not downloaded: ${cause.message}`,
      {
        details: { ...cause.details, file: given },
        cause,
      },
    );
  }
}

/** Expands `~` and `~/…` as a shell does. */
export function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}

const GGUF =
  "GGUF files are not read: download the model's safetensors, or serve the file and use it as an endpoint";

/** The cache keeps `snapshots/<commit>` for each version, and in `refs/main` the commit that was downloaded last. */
async function snapshotOf(given: string, root: string): Promise<string> {
  const folder = (commit: string) => join(root, "snapshots", commit);
  const commits: string[] = [];
  for (const name of await readdir(join(root, "snapshots")))
    if (
      (await isFile(join(folder(name), "config.json"))) ||
      (await isFile(join(folder(name), ADAPTER_CONFIG)))
    )
      commits.push(name);
  const main = (await readFile(join(root, "refs/main"), "utf8").catch(() => "")).trim();
  if (commits.includes(main)) return folder(main);
  if (commits.length === 1) return folder(commits[0]!);
  throw refusal(
    given,
    `is a folder of the Hugging Face cache with ${commits.length} whole snapshots`,
    commits.length === 0
      ? "the download did not finish: run it again"
      : `give one of them: ${commits.map(folder).join(", ")}`,
  );
}

/** A hub's name ("org/name") looks like a path; only the file system tells them apart. */
async function noFolder(given: string, path: string): Promise<SwirlError> {
  const [organization, name] = [basename(dirname(path)), basename(path)];
  const hub = `${organization}/${name}`;
  const download = isHubName(hub)
    ? `swirl pull ${hub}, then give the folder that it prints`
    : "swirl pull ORG/NAME";
  const cached = repositoryFolder(hub);
  if (await stat(cached).catch(() => undefined))
    return refusal(
      given,
      "is not a folder",
      `the Hugging Face cache has a model of this name: give ${cached}`,
    );
  return refusal(
    given,
    "is not a folder",
    `check the path; a model of the Hugging Face hub has to be downloaded first: ${download}`,
  );
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

function refusal(given: string, problem: string, remedy: string): SwirlError {
  return new SwirlError("CHECKPOINT", `the model ${given} ${problem}`, { remedy, details: { file: given } });
}
