/**
 * One writer per path. The process that writes to a run directory, a folder of checkpoints or a file of records holds
 * its lock: `<folder>/.lock` or `<file>.lock`. A second writer, in another process or in this one, is refused with code
 * CONFIG. Disposing a lock releases it, and so does process.exit: a process may take seconds to end after its last line
 * of JavaScript. The lock of an owner that no longer runs (lock-owner.ts) is taken over.
 *
 * A lock is a folder with one file in it, which describes the owner and has a unique name. A rename puts it in place,
 * and a rename never replaces a folder that is not empty. So one of any number of takers succeeds, and a lock always
 * shows its owner. A takeover removes the file of the dead owner, by its name: a late taker finds no such file, and
 * leaves the new owner's file alone. The file system needs atomic renames, not hard links.
 */
import { randomBytes } from "node:crypto";
import { rmdirSync, rmSync } from "node:fs";
import { mkdir, readdir, readFile, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { requirePath } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { writeFileDurable } from "./atomic-write.js";
import { type LockOwner, ownerState, parseOwner, thisOwner } from "./lock-owner.js";
import { cannotMake, makeFolder } from "./make-folder.js";

/** Attempts to put a lock in place while others take and release it. Each takes a few milliseconds. */
const ATTEMPTS = 100;
/** Milliseconds after which a lock that was never put in place is removed: its maker was killed. */
const ABANDONED_AFTER = 3_600_000;

/** The files in the locks that this thread holds. */
const held = new Set<string>();

interface Place {
  path: string;
  kind: "folder" | "file";
  lock: string;
}

/**
 * Locks a folder against a second writer. It creates the folder when it does not exist. Disposing the result releases
 * the lock.
 *
 * @throws SwirlError CONFIG when the folder is in use, or not writable.
 * @example
 * await using lock = await lockFolder("runs/first");
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  requirePath("a folder to lock", folder);
  return take({ path: folder, kind: "folder", lock: resolve(folder, ".lock") });
}

/** Locks a file. It creates the file's folder when it does not exist, but not the file. @throws as lockFolder. */
export async function lockFile(file: string): Promise<AsyncDisposable> {
  requirePath("a file to write", file);
  const real = await realpath(file).catch(() => resolve(file)); // a file with two names has one lock
  return take({ path: file, kind: "file", lock: `${real}.lock` });
}

/** Whether a name in a locked folder belongs to the lock, and is not content. */
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
  await removeAbandoned(lock).catch(() => {}); // the next lock tries again
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
    throw new SwirlError("CONFIG", `${path} is ${found.isDirectory() ? "a folder" : "not a regular file"}`, {
      remedy: "give the path of a file that exists or can be created",
      details: { file: path },
    });
}

function giveAllBack(): void {
  for (const file of held) {
    try {
      rmSync(file, { force: true });
      rmdirSync(dirname(file));
    } catch {
      // The lock stays, like that of a killed process.
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
        // Released just now, or something else is in the way.
        if (attempt === ATTEMPTS) throw error;
        await rmdir(place.lock).catch(() => {}); // Windows never renames over a folder, even an empty one
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

/** Removes the lock that holds this file, and no other. */
async function remove(lock: string, name: string): Promise<void> {
  await rm(join(lock, name), { force: true });
  await rmdir(lock).catch(() => {}); // taken by another by now, or removed with its folder
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
    return new SwirlError("CONFIG", `${path} is locked, and ${lock} does not name the owner`, {
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
      : `use a ${kind} where this user may create and rename folders: the lock is ${lock}`,
    details: { file: path, lock },
    cause,
  });
}
