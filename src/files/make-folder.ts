/**
 * Makes a folder and its missing parents, one by one.
 *
 * `fs.mkdir` with `recursive` never returns for a path such as /proc/x, where the parent exists and mkdir answers
 * ENOENT. Here every step either succeeds or throws an error that names the part of the path that is in the way.
 */

import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { requirePath } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";

/** Does nothing when the folder exists. @throws SwirlError CONFIG when it cannot be made. */
export async function makeFolder(path: string): Promise<void> {
  requirePath("a folder", path);
  let existing = resolve(path);
  const missing: string[] = [];
  for (; ; existing = dirname(existing)) {
    const found = await stat(existing).catch((error: NodeJS.ErrnoException) => {
      const absent = ["ENOENT", "ENOTDIR"].includes(error.code ?? "") && dirname(existing) !== existing;
      if (absent) return undefined;
      throw cannotMake(path, existing, error);
    });
    if (found?.isDirectory()) break;
    if (found) throw inTheWay(path, existing);
    missing.unshift(existing);
  }
  for (const folder of missing) {
    try {
      await mkdir(folder);
    } catch (error) {
      // Another process may have made it just now. A broken link gives EEXIST as well.
      const there = await stat(folder).catch(() => undefined);
      if (there?.isDirectory()) continue;
      throw there ? inTheWay(path, folder) : cannotMake(path, folder, error as NodeJS.ErrnoException);
    }
  }
}

function inTheWay(path: string, part: string): SwirlError {
  const same = resolve(path) === part;
  return new SwirlError("CONFIG", `${path} ${same ? "is a file" : `cannot be a folder: ${part} is a file`}`, {
    remedy: "give the path of a folder that exists or can be created",
    details: { file: path },
  });
}

/** What to do about a folder that this user cannot write, or that the file system refuses. */
export function cannotMake(path: string, part: string, cause: NodeJS.ErrnoException): SwirlError {
  const { code } = cause;
  const [problem, remedy] =
    code === "ENOSPC" || code === "EDQUOT"
      ? ["there is no space left", "free disk space"]
      : code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? ["it may not be written", "give a folder that this user may write to"]
        : code === "EEXIST"
          ? ["it is a broken link", "remove the link, or give another folder"]
          : [
              code === undefined ? cause.message : `the file system reports ${code}`,
              "give the path of a folder that exists or can be created",
            ];
  return new SwirlError("CONFIG", `${path} cannot be created or written: ${part}: ${problem}`, {
    remedy,
    details: { file: path, ...(code === undefined ? {} : { errno: code }) },
    cause,
  });
}
