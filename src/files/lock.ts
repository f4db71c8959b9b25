/**
 * One writer a place. Whoever goes on with a run directory, a folder of checkpoints or a file of records holds its lock
 * meanwhile: `<folder>/.lock` or `<file>.lock`. A second one, of another process or of this one, is refused with CONFIG.
 * Disposing a lock gives it back, and so does process.exit: a process may take seconds to end after its last line of
 * JavaScript. The lock of an owner that is gone (lock-owner.ts) is taken over.
 *
 * A lock is a folder with one file in it, which says who the owner is and has a name that no other lock's has. It is
 * put in place by a rename, and a folder is never renamed over one that is not empty: of any number of takers one
 * succeeds, and no lock is ever seen without its owner. To take over, only the file of the owner that is gone is
 * removed, by its name: whoever comes late finds no such file, and leaves the new owner's alone. Of the file system
 * this asks for atomic renames, not for hard links.
 */
import { randomBytes } from "node:crypto";
import { rmdirSync, rmSync } from "node:fs";
import { mkdir, readdir, readFile, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SwirlError } from "../errors/swirl-error.js";
import { writeFileDurable } from "./atomic-write.js";
import { type LockOwner, ownerState, parseOwner, thisOwner } from "./lock-owner.js";
import { cannotMake, makeFolder } from "./make-folder.js";

/** Of putting a lock in place while others come and go. Each is a few milliseconds. */
const ATTEMPTS = 100;
/** Milliseconds after which a lock that was never put in place is litter: its maker was killed just then. */
const ABANDONED_AFTER = 3_600_000;

/** The files in the locks that this thread holds. */
const held = new Set<string>();

interface Place {
  path: string;
  kind: "folder" | "file";
  lock: string;
}

/** Makes the folder where it does not exist. @throws SwirlError CONFIG: in use, or not writable. */
export function lockFolder(folder: string): Promise<AsyncDisposable> {
  return take({ path: folder, kind: "folder", lock: resolve(folder, ".lock") });
}

/** Makes the file's folder where it does not exist, not the file. @throws as lockFolder. */
export async function lockFile(file: string): Promise<AsyncDisposable> {
  const real = await realpath(file).catch(() => resolve(file)); // a file with two names has one lock
  return take({ path: file, kind: "file", lock: `${real}.lock` });
}

/** Whether a name in a locked folder is of the lock: not content. */
export function isLock(name: string): boolean {
  return name === ".lock" || name.startsWith(".lock-");
}

async function take(place: Place): Promise<AsyncDisposable> {
  const { lock } = place;
  const name = `${process.pid}-${randomBytes(8).toString("hex")}`;
  const candidate = `${lock}-${name}`;
  await makeFolder(dirname(lock));
  if (place.kind === "file") await requireFile(place.path);
  await mkdir(candidate).catch((error) => {
    throw cannotMake(place.path, dirname(lock), error);
  });
  try {
    await writeFileDurable(join(candidate, name), `${JSON.stringify(thisOwner())}\n`);
    await putInPlace(place, candidate);
  } catch (error) {
    await rm(candidate, { recursive: true, force: true }).catch(() => {});
    throw SwirlError.isInstance(error) ? error : cannotLock(place, error as NodeJS.ErrnoException);
  }
  const file = join(lock, name);
  if (held.size === 0) process.on("exit", giveAllBack);
  held.add(file);
  await removeAbandoned(lock).catch(() => {}); // litter, and tried again by the next
  return {
    async [Symbol.asyncDispose]() {
      await remove(lock, name);
      if (held.delete(file) && held.size === 0) process.off("exit", giveAllBack);
    },
  };
}

async function requireFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found && !found.isFile())
    throw new SwirlError("CONFIG", `${path} is ${found.isDirectory() ? "a folder" : "no regular file"}`, {
      remedy: "give the path of a file, one that exists or one that can be made",
      details: { file: path },
    });
}

function giveAllBack(): void {
  for (const file of held) {
    try {
      rmSync(file, { force: true });
      rmdirSync(dirname(file));
    } catch {
      // It stays, as that of a killed process does.
    }
  }
}

async function putInPlace(place: Place, candidate: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await rename(candidate, place.lock);
    } catch (error) {
      const found = await ownerOf(place.lock);
      if (found === undefined) {
        // Given back just now, or what is in the way is no lock.
        if (attempt === ATTEMPTS) throw error;
        await rmdir(place.lock).catch(() => {}); // Windows renames over no folder, be it empty
        await sleep(5);
      } else if (found.owner && ownerState(found.owner) === "gone") await remove(place.lock, found.name);
      else throw inUse(place, found.owner);
    }
  }
}

/** undefined when nobody holds the lock. */
async function ownerOf(lock: string): Promise<{ name: string; owner: LockOwner | undefined } | undefined> {
  try {
    const name = (await readdir(lock)).find((entry) => !entry.startsWith(".")); // NFS keeps removed files as .nfs…
    if (name === undefined) return undefined;
    return { name, owner: parseOwner(await readFile(join(lock, name), "utf8")) };
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Ends the lock that holds this file, and no other. */
async function remove(lock: string, name: string): Promise<void> {
  await rm(join(lock, name), { force: true });
  await rmdir(lock).catch(() => {}); // somebody else's by now, or gone with its folder
}

async function removeAbandoned(lock: string): Promise<void> {
  const folder = dirname(lock);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(lock)}-`)) continue;
    const path = join(folder, name);
    const made = await stat(path).catch(() => undefined);
    if (made && Date.now() - made.mtimeMs > ABANDONED_AFTER) await rm(path, { recursive: true, force: true });
  }
}

function inUse({ path, kind, lock }: Place, owner: LockOwner | undefined): SwirlError {
  const other = `use another ${kind}`;
  const details = { file: path, lock, ...(owner && { pid: owner.pid, host: owner.host }) };
  if (owner === undefined)
    return new SwirlError("CONFIG", `${path} is locked, and ${lock} does not say by whom`, {
      remedy: `${other}, or delete ${lock} when no run writes there`,
      details,
    });
  const { pid, host, since } = owner;
  const elsewhere = ownerState(owner) === "elsewhere";
  if (!elsewhere && pid === process.pid)
    return new SwirlError("CONFIG", `${path} is in use by this process (${pid}), since ${since}`, {
      remedy: `wait for the call that writes there and close what it returned, or ${other}`,
      details,
    });
  return new SwirlError(
    "CONFIG",
    `${path} is in use by process ${pid}${elsewhere ? ` of host ${host}` : ""}, since ${since}`,
    {
      remedy: `wait for it, stop it, or ${other}${
        elsewhere || owner.started === undefined ? `; if that run has ended, delete ${lock}` : ""
      }`,
      details,
    },
  );
}

function cannotLock({ path, kind, lock }: Place, cause: NodeJS.ErrnoException): SwirlError {
  const full = cause.code === "ENOSPC" || cause.code === "EDQUOT";
  return new SwirlError("CONFIG", `${path} cannot be locked against a second run (${cause.message})`, {
    remedy: full
      ? "free disk space"
      : `use a ${kind} where this user may make and rename folders: the lock is ${lock}`,
    details: { file: path, lock },
    cause,
  });
}
