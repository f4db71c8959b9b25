/**
 * The versions of an adapter in a folder that the trainer and the servers share: NAME-v1, NAME-v2, … A version is whole
 * or absent, and a number is never used again: a server that loaded a name keeps what it loaded.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { SwirlError } from "../../errors/swirl-error.js";
import type { NativePolicy } from "../native-policy.js";

export interface AdapterVersion {
  /** Its name on the servers: "swirl-v3". */
  name: string;
  version: number;
  /** Its folder, as the servers see it. */
  path: string;
}

export interface VersionsFolder {
  folder: string;
  /** The same folder as the servers see it. */
  serverFolder: string;
  name: string;
}

/** Writes the adapter as the next version. @throws SwirlError CHECKPOINT when it cannot be written. */
export async function writeVersion(
  policy: NativePolicy,
  { folder, serverFolder, name }: VersionsFolder,
  newest: number,
): Promise<AdapterVersion> {
  const version = Math.max(newest, ...(await versionsIn(folder, name))) + 1;
  const called = `${name}-v${version}`;
  await policy.save(join(folder, called)); // written under another name, then renamed
  return { name: called, version, path: join(serverFolder, called) };
}

/** Removes all but the newest `keep` versions. What cannot be removed stays. */
export async function removeVersions({ folder, name }: VersionsFolder, keep: number): Promise<void> {
  const versions = (await versionsIn(folder, name)).sort((a, b) => b - a);
  for (const version of versions.slice(keep))
    await rm(join(folder, `${name}-v${version}`), { recursive: true, force: true }).catch(() => {});
}

async function versionsIn(folder: string, name: string): Promise<number[]> {
  let entries: string[];
  try {
    await mkdir(folder, { recursive: true });
    entries = await readdir(folder);
  } catch (cause) {
    throw new SwirlError(
      "CHECKPOINT",
      `the folder of adapters ${folder} cannot be used: ${(cause as Error).message}`,
      {
        remedy: "give a folder that this process can write and the servers can read",
        details: { file: folder },
        cause,
      },
    );
  }
  return entries.flatMap((entry) => {
    const number = entry.startsWith(`${name}-v`) ? entry.slice(name.length + 2) : "";
    return /^\d+$/.test(number) ? [Number(number)] : [];
  });
}
